import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { part, parts } from '../utils/answers.js';
import { nextPage, pageNumber } from '../utils/pages.js';
import { next, paging } from '../utils/schemas.js';

const found = z.object({
  channel: z.string(),
  channel_name: z.string().optional(),
  ts: z.string(),
  user: z.string().optional(),
  username: z.string().optional(),
  text: z.string(),
  permalink: z.string().optional(),
});

const view = ({ channel, ts, user, username, text, permalink }) => ({
  channel: channel?.id ?? '',
  channel_name: channel?.name,
  ts,
  user: user || undefined,
  username: username || undefined,
  text: text ?? '',
  permalink,
});

export const search = [
  {
    name: 'search_messages',
    title: 'Search messages',
    description:
      'Search all messages that the user may see, best first. Needs a user token (xoxp-…). Slack’s own modifiers work: ' +
      'in:#channel, from:@name, before:2026-01-31, after:…, has:link, "exact words".',
    annotations: READS,
    input: z.object({
      query: z.string().min(1).max(1000).describe('Words and modifiers'),
      sort: z.enum(['score', 'timestamp']).default('score').describe('Best or newest first'),
      ...paging(20, 100),
    }),
    output: z.object({ matches: z.array(found), total: z.int(), next }),
    rest: 'GET /search/messages',
    async run({ call }, { query, sort, limit, cursor }) {
      const answer = await call('search.messages', { query, sort, count: limit, page: pageNumber(cursor) });
      return part(answer, 'messages', (messages) => ({
        matches: parts(messages, 'matches', view),
        total: messages.total,
        next: nextPage(messages.paging),
      }));
    },
  },
];
