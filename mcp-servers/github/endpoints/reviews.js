import { z } from 'zod';

import { ADDS } from '../../_shared/tools.js';
import * as shape from '../utils/schemas.js';

export const reviews = [
  {
    name: 'add_review',
    title: 'Review a pull request',
    description:
      'Approve, ask for changes or comment, with remarks on lines of the diff if wanted. A text is needed unless it approves.',
    annotations: ADDS,
    input: z.object({
      ...shape.repository,
      pull_number: shape.number.describe('Number of the pull request'),
      event: z.enum(['APPROVE', 'REQUEST_CHANGES', 'COMMENT']),
      body: z.string().max(65_536).optional().describe('Markdown'),
      comments: z
        .array(
          z.object({
            path: z.string(),
            line: z.number().int().min(1).describe('Line of the file'),
            side: z.enum(['LEFT', 'RIGHT']).default('RIGHT').describe('RIGHT: after the change'),
            body: z.string().min(1),
          }),
        )
        .optional(),
    }),
    output: z.object({
      id: z.number(),
      state: z.string(),
      body: z.string().nullish(),
      user: shape.user.nullable(),
      html_url: z.string(),
      submitted_at: z.string().nullish(),
    }),
    rest: 'POST /repositories/:owner/:repo/pulls/:pull_number/reviews',
    run: async ({ rest }, input) => (await rest.pulls.createReview(input)).data,
  },
];
