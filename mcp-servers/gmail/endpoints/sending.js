import { z } from 'zod';

import { Problem } from '../../_shared/problem.js';
import { ADDS } from '../../_shared/tools.js';
import { compose, composeReply } from '../api/compose.js';
import { contentInput, mailInput, recipientInput } from '../utils/mail.js';
import { messageId, sentForm } from '../utils/schemas.js';
import { sentView } from '../utils/views.js';

export const sending = [
  {
    name: 'send_message',
    title: 'Send a mail',
    description:
      'Send a mail at once, from the account’s own address. It cannot be called back: where the user may want to look at ' +
      'it first, use create_draft. To answer a message, use reply.',
    annotations: ADDS,
    input: z.object({
      ...mailInput,
      in_reply_to: messageId.optional().describe('Id of the message that it answers; puts it into the same thread'),
    }),
    output: sentForm,
    rest: 'POST /messages',
    async run(api, input) {
      if ([...input.to, ...input.cc, ...input.bcc].length === 0) {
        throw new Problem(400, 'send_message: to, cc or bcc must name somebody', { code: 'bad_arguments' });
      }
      return sentView(await api.post('messages/send', await compose(api, input)));
    },
  },
  {
    name: 'reply',
    title: 'Answer a message',
    description:
      'Answer a message at once, in its thread: to its sender (or Reply-To), with to_all to everybody it went to. ' +
      'Subject and threading headers are set by themselves. The text answered is not quoted.',
    annotations: ADDS,
    input: z.object({
      message_id: messageId.describe('Id of the message to answer'),
      to_all: z.boolean().default(false).describe('Also to all others in To and Cc'),
      ...recipientInput,
      ...contentInput,
    }),
    output: sentForm,
    rest: 'POST /messages/:message_id/reply',
    run: async (api, input) => sentView(await api.post('messages/send', await composeReply(api, input))),
  },
];
