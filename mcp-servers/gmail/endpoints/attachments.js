import { z } from 'zod';

import { fileContent, fileFields } from '../../_shared/files.js';
import { Problem } from '../../_shared/problem.js';
import { READS } from '../../_shared/tools.js';
import { malformed } from '../middleware/errors.js';
import { partOf } from '../utils/content.js';
import { messageId } from '../utils/schemas.js';

/** A file travels inside an answer: larger ones are not for a model. */
const MAX_BYTES = 2 * 1024 * 1024;

export const attachments = [
  {
    name: 'get_attachment',
    title: 'Read an attachment',
    description: `Read an attachment of a message: texts as text, anything else as base64. At most ${MAX_BYTES / 1024} KiB.`,
    annotations: READS,
    input: z.object({
      message_id: messageId,
      part_id: z
        .string()
        .regex(/^\d+(\.\d+){0,20}$/, 'must be the part_id of an attachment')
        .describe('part_id of the attachment, as get_message gives it'),
    }),
    output: z.object({
      message_id: z.string(),
      part_id: z.string(),
      name: z.string(),
      mime_type: z.string(),
      size: z.int().describe('Bytes'),
      text: z.string().optional().describe('The content, where it is a text'),
      data: z.string().optional().describe('The content as base64, where it is none'),
    }),
    rest: 'GET /messages/:message_id/attachments/:part_id',
    content: (result) => fileContent(`gmail-attachment:///${result.message_id}/${result.part_id}`, result),
    async run(api, { message_id, part_id }) {
      // Ids of attachments change from one reading of the message to the next; those of parts do not.
      const { payload } = await api.get(`messages/${message_id}`, { format: 'full' });
      const part = partOf(payload, part_id);
      if (!part)
        throw new Problem(404, `the message has no attachment ${part_id}: get_message lists them`, {
          code: 'not_found',
        });
      const bytes = await contentOf(api, message_id, part);
      const about = {
        message_id,
        part_id,
        name: part.filename || 'unnamed',
        mime_type: part.mimeType,
        size: bytes.length,
      };
      return { ...about, ...fileFields(bytes, part.mimeType) };
    },
  },
];

async function contentOf(api, messageIdOf, { filename, body = {} }) {
  if (body.size > MAX_BYTES) {
    const reason = `${filename} has ${body.size} bytes, more than the ${MAX_BYTES} that can be read here: open it in Gmail`;
    throw new Problem(413, reason, { code: 'too_large' });
  }
  const holder = body.attachmentId
    ? await api.get(`messages/${messageIdOf}/attachments/${encodeURIComponent(body.attachmentId)}`)
    : body;
  if (typeof holder.data !== 'string') throw malformed('the attachment');
  return Buffer.from(holder.data, 'base64url');
}
