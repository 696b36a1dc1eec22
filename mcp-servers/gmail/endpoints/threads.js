import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { LISTED_HEADERS, each, idsOf } from '../api/messages.js';
import { malformed } from '../middleware/errors.js';
import { labels, messageForm, next, paging, threadId } from '../utils/schemas.js';
import { headerOf, messageView, summaryView } from '../utils/views.js';

const threadForm = z.object({
  id: z.string(),
  subject: z.string(),
  from: z.array(z.string()).describe('Who has written in it'),
  messages: z.int().describe('How many messages it has'),
  date: z.string().optional().describe('Of the newest message, ISO 8601'),
  snippet: z.string().describe('How the newest message begins'),
  is_unread: z.boolean(),
});

function messagesOf({ messages }) {
  if (!Array.isArray(messages) || messages.length === 0) throw malformed('messages');
  return messages;
}

function threadView(thread) {
  const all = messagesOf(thread);
  const views = all.map(summaryView);
  const { date, snippet } = views.at(-1);
  return {
    id: thread.id,
    subject: views[0].subject,
    from: [...new Set(all.map(({ payload }) => headerOf(payload, 'From')).filter(Boolean))],
    messages: all.length,
    date,
    snippet,
    is_unread: views.some(({ is_unread }) => is_unread),
  };
}

export const threads = [
  {
    name: 'list_threads',
    title: 'List threads',
    description:
      'List threads (conversations), newest first, with subject, who has written and how many messages; by labels or a search.',
    annotations: READS,
    input: z.object({
      query: z.string().max(1000).optional().describe('As of search_messages'),
      labels: labels.default([]).describe('Only threads with all of these labels, by id'),
      ...paging(20, 50),
    }),
    output: z.object({ threads: z.array(threadForm), next }),
    rest: 'GET /threads',
    async run(api, { query, labels: labelIds, limit, cursor }) {
      const answer = await api.get('threads', { q: query, labelIds, maxResults: limit, pageToken: cursor });
      const get = (id) => api.get(`threads/${id}`, { format: 'metadata', metadataHeaders: LISTED_HEADERS });
      const found = await each(idsOf(answer, 'threads'), get);
      return { threads: found.map(threadView), next: answer.nextPageToken };
    },
  },
  {
    name: 'get_thread',
    title: 'Read a thread',
    description:
      'Read a whole thread (conversation), oldest first: the text of each message and which attachments it has.',
    annotations: READS,
    input: z.object({ thread_id: threadId, include_html: z.boolean().default(false).describe('HTML bodies too') }),
    output: z.object({ id: z.string(), messages: z.array(messageForm) }),
    rest: 'GET /threads/:thread_id',
    async run(api, { thread_id, include_html: includeHtml }) {
      const thread = await api.get(`threads/${thread_id}`, { format: 'full' });
      return { id: thread.id, messages: messagesOf(thread).map((message) => messageView(message, { includeHtml })) };
    },
  },
];
