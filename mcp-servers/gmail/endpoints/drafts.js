import { z } from 'zod';

import { ADDS, DESTROYS, READS, SETS } from '../../_shared/tools.js';
import { compose, encode } from '../api/compose.js';
import { each, idsOf } from '../api/messages.js';
import { malformed } from '../middleware/errors.js';
import { mailInput } from '../utils/mail.js';
import { draftId, messageId, next, paging, sentForm, summaryForm } from '../utils/schemas.js';
import { placeOf } from '../utils/threading.js';
import { sentView, summaryView } from '../utils/views.js';

const draftForm = z.object({ draft_id: z.string(), message_id: z.string(), thread_id: z.string() });

function draftView({ id, message }) {
  if (!id || !message) throw malformed('a draft');
  return { draft_id: id, message_id: message.id, thread_id: message.threadId };
}

const getDraft = (api) => (id) => api.get(`drafts/${id}`, { format: 'metadata' });

export const drafts = [
  {
    name: 'list_drafts',
    title: 'List drafts',
    description:
      'List drafts with recipients, subject and how they begin. Their message_id is for get_message, to read one whole.',
    annotations: READS,
    input: z.object(paging(20, 50)),
    output: z.object({ drafts: z.array(draftForm.extend({ message: summaryForm })), next }),
    rest: 'GET /drafts',
    async run(api, { limit, cursor }) {
      const answer = await api.get('drafts', { maxResults: limit, pageToken: cursor });
      const found = await each(idsOf(answer, 'drafts'), getDraft(api));
      return {
        drafts: found.map((draft) => ({ ...draftView(draft), message: summaryView(draft.message) })),
        next: answer.nextPageToken,
      };
    },
  },
  {
    name: 'create_draft',
    title: 'Write a draft',
    description: 'Write a draft. Nothing is sent: the user finds it in Gmail, and send_draft sends it.',
    annotations: ADDS,
    input: z.object({
      ...mailInput,
      in_reply_to: messageId.optional().describe('Id of the message that it answers; puts it into the same thread'),
    }),
    output: draftForm,
    rest: 'POST /drafts',
    run: async (api, input) => draftView(await api.post('drafts', { message: await compose(api, input) })),
  },
  {
    name: 'update_draft',
    title: 'Replace a draft',
    description: 'Replace a draft by a new text: all of it, recipients and attachments too. It stays in its thread.',
    annotations: SETS,
    input: z.object({ draft_id: draftId, ...mailInput }),
    output: draftForm,
    rest: 'PUT /drafts/:draft_id',
    async run(api, { draft_id, ...mail }) {
      const { message } = await getDraft(api)(draft_id);
      if (!message) throw malformed('a draft');
      return draftView(await api.put(`drafts/${draft_id}`, { message: await encode(mail, placeOf(message)) }));
    },
  },
  {
    name: 'send_draft',
    title: 'Send a draft',
    description: 'Send a draft as it is, to the recipients that it names. It cannot be called back.',
    annotations: { ...ADDS, destructiveHint: true },
    input: z.object({ draft_id: draftId }),
    output: sentForm,
    rest: 'POST /drafts/:draft_id/send',
    run: async (api, { draft_id }) => sentView(await api.post('drafts/send', { id: draft_id })),
  },
  {
    name: 'delete_draft',
    title: 'Delete a draft',
    description: 'Delete a draft for good. It does not go to the bin.',
    annotations: DESTROYS,
    input: z.object({ draft_id: draftId }),
    output: z.object({ deleted: z.string() }),
    rest: 'DELETE /drafts/:draft_id',
    async run(api, { draft_id }) {
      await api.delete(`drafts/${draft_id}`);
      return { deleted: draft_id };
    },
  },
];
