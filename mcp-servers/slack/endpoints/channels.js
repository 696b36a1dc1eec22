import { z } from 'zod';

import { READS, SETS } from '../../_shared/tools.js';
import { part, parts } from '../utils/answers.js';
import { nextOf } from '../utils/pages.js';
import { channel, channelForm, messageForm, messageTs, next, paging } from '../utils/schemas.js';
import { channelView, messageView } from '../utils/views.js';

const TYPES = { public: 'public_channel', private: 'private_channel', direct: 'im', group_direct: 'mpim' };
const messagePage = z.object({ messages: z.array(messageForm), next });

export const channels = [
  {
    name: 'list_channels',
    title: 'List channels',
    description:
      'List channels of the workspace with id, name, topic and whether the app is a member. Public ones by default; ' +
      'private channels and direct conversations only where the app takes part.',
    annotations: READS,
    input: z.object({
      kinds: z
        .array(z.enum(Object.keys(TYPES)))
        .min(1)
        .default(['public'])
        .describe('Which kinds of conversations'),
      include_archived: z.boolean().default(false),
      ...paging(100, 200),
    }),
    output: z.object({ channels: z.array(channelForm), next }),
    rest: 'GET /channels',
    async run({ call }, { kinds, include_archived, limit, cursor }) {
      const types = kinds.map((kind) => TYPES[kind]).join(',');
      const answer = await call('conversations.list', { types, exclude_archived: !include_archived, limit, cursor });
      return { channels: parts(answer, 'channels', channelView), next: nextOf(answer) };
    },
  },
  {
    name: 'get_channel',
    title: 'Get a channel',
    description: 'Get one channel or direct conversation by its id: name, topic, purpose, number of members.',
    annotations: READS,
    input: z.object({ channel }),
    output: channelForm,
    rest: 'GET /channels/:channel',
    async run({ call }, input) {
      const answer = await call('conversations.info', { channel: input.channel, include_num_members: true });
      return part(answer, 'channel', channelView);
    },
  },
  {
    name: 'read_channel_history',
    title: 'Read a channel',
    description:
      'Read messages of a channel or direct conversation, newest first, without the replies in threads: ' +
      'a message with reply_count has some, for read_thread. The app must be a member.',
    annotations: READS,
    input: z.object({
      channel,
      oldest: messageTs.optional().describe('Only messages after this ts'),
      latest: messageTs.optional().describe('Only messages before this ts'),
      ...paging(50, 200),
    }),
    output: messagePage,
    rest: 'GET /channels/:channel/messages',
    async run({ call }, input) {
      const answer = await call('conversations.history', input);
      return { messages: parts(answer, 'messages', messageView), next: nextOf(answer) };
    },
  },
  {
    name: 'read_thread',
    title: 'Read a thread',
    description: 'Read a thread, oldest first: the message that it hangs on, then its replies.',
    annotations: READS,
    input: z.object({
      channel,
      ts: messageTs.describe('ts of the message that the thread hangs on'),
      ...paging(50, 200),
    }),
    output: messagePage,
    rest: 'GET /channels/:channel/messages/:ts/replies',
    async run({ call }, input) {
      const answer = await call('conversations.replies', input);
      return { messages: parts(answer, 'messages', messageView), next: nextOf(answer) };
    },
  },
  {
    name: 'open_direct_message',
    title: 'Open a direct conversation',
    description:
      'Open the direct conversation with one person, or with up to 8 as a group, and get its channel id for send_message. ' +
      'An open one is given again; nobody is told.',
    annotations: { ...SETS, destructiveHint: false },
    input: z.object({
      users: z
        .array(z.string().min(1))
        .min(1)
        .max(8)
        .describe('Ids of the people, as list_users or get_user give them'),
    }),
    output: z.object({ channel: z.string(), was_open: z.boolean() }),
    rest: 'POST /direct-messages',
    async run({ call }, { users }) {
      const answer = await call('conversations.open', { users: users.join(',') });
      return { channel: part(answer, 'channel', ({ id }) => id), was_open: answer.already_open ?? false };
    },
  },
];
