import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { pageOf } from '../utils/paging.js';
import * as shape from '../utils/schemas.js';

export const repositories = [
  {
    name: 'get_me',
    title: 'Who am I',
    description: 'The GitHub account that this instance acts as.',
    annotations: READS,
    input: z.object({}),
    output: z.object({
      login: z.string(),
      id: z.number(),
      name: z.string().nullish(),
      email: z.string().nullish(),
      html_url: z.string(),
      public_repos: z.number().optional(),
      created_at: z.string(),
    }),
    rest: 'GET /me',
    run: async ({ rest }) => (await rest.users.getAuthenticated()).data,
  },
  {
    name: 'list_repositories',
    title: 'List repositories',
    description:
      'Repositories of the account, private ones too, newest change first. With owner: the public ones of that user or organization.',
    annotations: READS,
    input: z.object({
      owner: shape.owner.optional(),
      visibility: z.enum(['all', 'public', 'private']).default('all').describe('Ignored with owner'),
      sort: z.enum(['created', 'updated', 'pushed', 'full_name']).default('pushed'),
      ...shape.paging,
    }),
    output: shape.pageOf(shape.repositoryShape),
    rest: 'GET /repositories',
    run: async ({ rest }, { owner, visibility, ...input }) =>
      pageOf(
        owner
          ? await rest.repos.listForUser({ username: owner, ...input })
          : await rest.repos.listForAuthenticatedUser({ visibility, ...input }),
      ),
  },
  {
    name: 'get_repository',
    title: 'Get a repository',
    description: 'One repository: description, default branch, language, counts.',
    annotations: READS,
    input: z.object(shape.repository),
    output: shape.repositoryShape,
    rest: 'GET /repositories/:owner/:repo',
    run: async ({ rest }, input) => (await rest.repos.get(input)).data,
  },
];
