import { z } from 'zod';

import { READS, SETS } from '../../_shared/tools.js';
import { each, getSummary, idsOf } from '../api/messages.js';
import { labels, messageForm, messageId, messagePage, paging, sentForm } from '../utils/schemas.js';
import { messageView, sentView, summaryView } from '../utils/views.js';

async function page(api, query) {
  const answer = await api.get('messages', query);
  const messages = await each(idsOf(answer, 'messages'), getSummary(api));
  return { messages: messages.map(summaryView), next: answer.nextPageToken };
}

/** Moves a message into the bin or out of it. */
const move =
  (where) =>
  async (api, { message_id }) =>
    sentView(await api.post(`messages/${message_id}/${where}`));

export const messages = [
  {
    name: 'list_messages',
    title: 'List messages',
    description:
      'List messages, newest first, with sender, subject, date and how they begin; of some labels only where given.',
    annotations: READS,
    input: z.object({
      labels: labels.default(['INBOX']).describe('Only messages with all of these labels, by id; [] for all mail'),
      ...paging(20, 50),
    }),
    output: messagePage,
    rest: 'GET /messages',
    run: (api, { labels: labelIds, limit, cursor }) => page(api, { labelIds, maxResults: limit, pageToken: cursor }),
  },
  {
    name: 'search_messages',
    title: 'Search messages',
    description:
      'Search all mail, newest first, in Gmail’s own words: from:, to:, subject:, label:, is:unread, has:attachment, ' +
      'after:2026/01/31, before:, newer_than:7d, filename:pdf, "exact words", OR, -without.',
    annotations: READS,
    input: z.object({
      query: z.string().min(1).max(1000).describe('What to look for'),
      include_spam_and_trash: z.boolean().default(false),
      ...paging(20, 50),
    }),
    output: messagePage,
    rest: 'GET /search/messages',
    run: (api, { query, include_spam_and_trash, limit, cursor }) =>
      page(api, {
        q: query,
        includeSpamTrash: include_spam_and_trash || undefined,
        maxResults: limit,
        pageToken: cursor,
      }),
  },
  {
    name: 'get_message',
    title: 'Read a message',
    description:
      'Read one message: addresses, date, decoded text, and which attachments it has. HTML comes when asked for, ' +
      'or when there is no text. Reading does not mark it as read.',
    annotations: READS,
    input: z.object({
      message_id: messageId,
      include_html: z.boolean().default(false).describe('The HTML body too'),
      include_headers: z.boolean().default(false).describe('All headers too'),
    }),
    output: messageForm,
    rest: 'GET /messages/:message_id',
    async run(api, { message_id, include_html: includeHtml, include_headers: includeHeaders }) {
      return messageView(await api.get(`messages/${message_id}`, { format: 'full' }), { includeHtml, includeHeaders });
    },
  },
  {
    name: 'modify_labels',
    title: 'Label a message',
    description:
      'Add labels to a message and take others off. Taking off UNREAD marks it as read, taking off INBOX archives it, ' +
      'adding STARRED stars it.',
    annotations: SETS,
    input: z.object({ message_id: messageId, add: labels.default([]), remove: labels.default([]) }),
    output: sentForm,
    rest: 'POST /messages/:message_id/labels',
    async run(api, { message_id, add, remove }) {
      return sentView(await api.post(`messages/${message_id}/modify`, { addLabelIds: add, removeLabelIds: remove }));
    },
  },
  {
    name: 'trash_message',
    title: 'Put a message into the bin',
    description:
      'Put a message into the bin. Gmail deletes it for good after 30 days; until then untrash_message brings it back.',
    annotations: SETS,
    input: z.object({ message_id: messageId }),
    output: sentForm,
    rest: 'POST /messages/:message_id/trash',
    run: move('trash'),
  },
  {
    name: 'untrash_message',
    title: 'Take a message out of the bin',
    description: 'Take a message out of the bin. It comes back without the label INBOX: add that by modify_labels.',
    annotations: { ...SETS, destructiveHint: false },
    input: z.object({ message_id: messageId }),
    output: sentForm,
    rest: 'POST /messages/:message_id/untrash',
    run: move('untrash'),
  },
];
