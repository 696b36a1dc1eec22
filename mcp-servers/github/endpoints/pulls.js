import { z } from 'zod';

import { ADDS, DESTROYS, READS, SETS } from '../../_shared/tools.js';
import { nextPage, pageOf } from '../utils/paging.js';
import * as shape from '../utils/schemas.js';

const MAX_PATCH_CHARACTERS = 8000;

const one = { ...shape.repository, pull_number: shape.number.describe('Number of the pull request') };
const title = z.string().min(1).max(256);
const body = z.string().max(65_536).describe('Markdown');

const fileShape = z.object({
  filename: z.string(),
  previous_filename: z.string().optional(),
  status: z.string(),
  additions: z.number(),
  deletions: z.number(),
  patch: z.string().optional().describe('Unified diff; absent for binary files'),
});

export const pulls = [
  {
    name: 'list_pull_requests',
    title: 'List pull requests',
    description: 'Pull requests of a repository.',
    annotations: READS,
    input: z.object({
      ...shape.repository,
      state: z.enum(['open', 'closed', 'all']).default('open'),
      head: z.string().optional().describe('Only from this branch, as owner:branch'),
      base: z.string().optional().describe('Only into this branch'),
      sort: z.enum(['created', 'updated', 'popularity', 'long-running']).default('created'),
      direction: z.enum(['asc', 'desc']).default('desc'),
      ...shape.paging,
    }),
    output: shape.pageOf(shape.pullShape),
    rest: 'GET /repositories/:owner/:repo/pulls',
    run: async ({ rest }, input) => pageOf(await rest.pulls.list(input)),
  },
  {
    name: 'get_pull_request',
    title: 'Get a pull request',
    description: `One pull request: state, whether it can be merged, and a page of its changed files with their diffs (each cut at ${MAX_PATCH_CHARACTERS} characters).`,
    annotations: READS,
    input: z.object({
      ...one,
      files: z.boolean().default(true).describe('Whether to show the changed files'),
      ...shape.paging,
    }),
    output: shape.pullDetailShape.extend({ files: shape.pageOf(fileShape).optional() }),
    rest: 'GET /repositories/:owner/:repo/pulls/:pull_number',
    run: getPullRequest,
  },
  {
    name: 'create_pull_request',
    title: 'Create a pull request',
    description: 'Propose the changes of one branch for another. Both must be on GitHub already.',
    annotations: ADDS,
    input: z.object({
      ...shape.repository,
      title,
      head: z.string().min(1).describe('Branch with the changes; owner:branch when it is in a fork'),
      base: z.string().min(1).describe('Branch to change, such as main'),
      body: body.optional(),
      draft: z.boolean().default(false),
    }),
    output: shape.pullDetailShape,
    rest: 'POST /repositories/:owner/:repo/pulls',
    run: async ({ rest }, input) => (await rest.pulls.create(input)).data,
  },
  {
    name: 'update_pull_request',
    title: 'Change a pull request',
    description: 'Change title, text, state or base branch; what is not given stays.',
    annotations: SETS,
    input: z.object({
      ...one,
      title: title.optional(),
      body: body.optional(),
      state: z.enum(['open', 'closed']).optional(),
      base: z.string().optional(),
    }),
    output: shape.pullDetailShape,
    rest: 'PATCH /repositories/:owner/:repo/pulls/:pull_number',
    run: async ({ rest }, input) => (await rest.pulls.update(input)).data,
  },
  {
    name: 'merge_pull_request',
    title: 'Merge a pull request',
    description:
      'Merge a pull request into its base branch. It cannot be undone here. Give sha (head.sha) so that nothing unseen is merged.',
    annotations: DESTROYS,
    input: z.object({
      ...one,
      merge_method: z.enum(['merge', 'squash', 'rebase']).default('merge'),
      commit_title: z.string().optional(),
      commit_message: z.string().optional(),
      sha: z.string().optional().describe('What the head must be'),
    }),
    output: z.object({ merged: z.boolean(), sha: z.string(), message: z.string() }),
    rest: 'PUT /repositories/:owner/:repo/pulls/:pull_number/merge',
    run: async ({ rest }, input) => (await rest.pulls.merge(input)).data,
  },
];

async function getPullRequest({ rest }, { files: withFiles, page, per_page, ...at }) {
  const [pull, changed] = await Promise.all([
    rest.pulls.get(at),
    withFiles ? rest.pulls.listFiles({ ...at, page, per_page }) : undefined,
  ]);
  if (!changed) return pull.data;
  const items = changed.data.map(({ patch, ...file }) => ({ ...file, ...(patch && { patch: cut(patch) }) }));
  return { ...pull.data, files: { items, next_page: nextPage(changed.headers) } };
}

function cut(patch) {
  return patch.length > MAX_PATCH_CHARACTERS ? `${patch.slice(0, MAX_PATCH_CHARACTERS)}\n[cut]` : patch;
}
