import { z } from 'zod';

import { ADDS, READS } from '../../_shared/tools.js';
import { malformed } from '../middleware/errors.js';
import { line } from '../utils/addresses.js';
import { labelForm } from '../utils/schemas.js';
import { labelView } from '../utils/views.js';

export const labels = [
  {
    name: 'list_labels',
    title: 'List labels',
    description: 'List all labels: Gmail’s own, such as INBOX and UNREAD, and those of the user, with their ids.',
    annotations: READS,
    input: z.object({}),
    output: z.object({ labels: z.array(labelForm) }),
    rest: 'GET /labels',
    async run(api) {
      const answer = await api.get('labels');
      if (!Array.isArray(answer.labels)) throw malformed('labels');
      return { labels: answer.labels.map(labelView) };
    },
  },
  {
    name: 'create_label',
    title: 'Make a label',
    description: 'Make a label. A name with slashes, such as Work/Berlin, nests it below another.',
    annotations: ADDS,
    input: z.object({ name: line(225).min(1).describe('Its name') }),
    output: labelForm,
    rest: 'POST /labels',
    async run(api, { name }) {
      return labelView(
        await api.post('labels', { name, labelListVisibility: 'labelShow', messageListVisibility: 'show' }),
      );
    },
  },
];
