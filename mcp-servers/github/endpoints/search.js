import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { nextPage } from '../utils/paging.js';
import * as shape from '../utils/schemas.js';

const found = (schema) =>
  shape.pageOf(schema).extend({
    total_count: z.number().describe('Of all pages; GitHub shows the first 1000 at most'),
    incomplete_results: z.boolean().describe('Whether GitHub gave up before it had searched all'),
  });

const page = ({ data, headers }) => ({ ...data, next_page: nextPage(headers) });

export const search = [
  {
    name: 'search_repositories',
    title: 'Search repositories',
    description: "Find repositories by words and GitHub's qualifiers, such as `user:octocat language:rust stars:>100`.",
    annotations: READS,
    input: z.object({
      query: z.string().min(1).max(256),
      sort: z.enum(['stars', 'forks', 'help-wanted-issues', 'updated']).optional().describe('Best match when absent'),
      ...shape.paging,
    }),
    output: found(shape.repositoryShape),
    rest: 'GET /search/repositories',
    run: async ({ rest }, { query, ...input }) => page(await rest.search.repos({ q: query, ...input })),
  },
  {
    name: 'search_code',
    title: 'Search code',
    description:
      "Find files by their text and GitHub's qualifiers, such as `parseUrl repo:octocat/hello language:js path:src`. Only default branches are searched. Read a hit with get_file.",
    annotations: READS,
    input: z.object({ query: z.string().min(1).max(256), ...shape.paging }),
    output: found(
      z.object({
        path: z.string(),
        sha: z.string(),
        html_url: z.string(),
        repository: z.object({ full_name: z.string() }),
        text_matches: z
          .array(z.object({ fragment: z.string() }))
          .optional()
          .describe('Where the words are'),
      }),
    ),
    rest: 'GET /search/code',
    run: async ({ rest }, { query, ...input }) =>
      page(await rest.search.code({ q: query, ...input, mediaType: { format: 'text-match' } })),
  },
];
