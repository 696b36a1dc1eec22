import { z } from 'zod';

import { ADDS, DESTROYS, SETS } from '../../_shared/tools.js';
import { channel, messageTs, sentForm } from '../utils/schemas.js';

const text = z
  .string()
  .min(1)
  .max(40_000)
  .describe(
    'The message in Slack mrkdwn; with blocks, the text for notifications. Slack advises at most 4000 characters',
  );
const blocks = z
  .array(z.looseObject({ type: z.string() }))
  .min(1)
  .max(50)
  .optional()
  .describe('Block Kit blocks, for a richer message');
const sent = ({ channel: id, ts }) => ({ channel: id, ts });

export const messages = [
  {
    name: 'send_message',
    title: 'Send a message',
    description:
      'Send a message to a channel or direct conversation, or as a reply into a thread. Everyone there sees it at once. ' +
      'Gives the ts by which it can be changed, deleted or answered.',
    annotations: ADDS,
    input: z.object({
      channel,
      text,
      thread_ts: messageTs.optional().describe('ts of the message to answer in its thread'),
      reply_broadcast: z.boolean().optional().describe('Show a reply in the channel too'),
      blocks,
    }),
    output: sentForm,
    rest: 'POST /channels/:channel/messages',
    run: async ({ call }, input) => sent(await call('chat.postMessage', input)),
  },
  {
    name: 'update_message',
    title: 'Change a message',
    description: 'Replace the text of a message that this instance sent. It is marked as edited; the old text is gone.',
    annotations: SETS,
    input: z.object({ channel, ts: messageTs, text, blocks }),
    output: sentForm,
    rest: 'PATCH /channels/:channel/messages/:ts',
    run: async ({ call }, input) => sent(await call('chat.update', input)),
  },
  {
    name: 'delete_message',
    title: 'Delete a message',
    description: 'Delete a message that this instance sent, for everyone and for good.',
    annotations: DESTROYS,
    input: z.object({ channel, ts: messageTs }),
    output: sentForm,
    rest: 'DELETE /channels/:channel/messages/:ts',
    run: async ({ call }, input) => sent(await call('chat.delete', input)),
  },
];
