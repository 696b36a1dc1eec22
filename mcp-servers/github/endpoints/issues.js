import { z } from 'zod';

import { ADDS, READS, SETS } from '../../_shared/tools.js';
import { pageOf } from '../utils/paging.js';
import * as shape from '../utils/schemas.js';

const one = { ...shape.repository, issue_number: shape.number.describe('Number of the issue') };
const title = z.string().min(1).max(256);
const body = z.string().max(65_536).describe('Markdown');
const labels = z.array(z.string()).describe('Names of labels');
const assignees = z.array(z.string()).describe('Logins');

export const issues = [
  {
    name: 'list_issues',
    title: 'List issues',
    description: 'Issues of a repository, without pull requests (a page may thus have fewer entries than asked for).',
    annotations: READS,
    input: z.object({
      ...shape.repository,
      state: z.enum(['open', 'closed', 'all']).default('open'),
      labels: labels.optional(),
      assignee: z.string().optional().describe('A login, `none` or `*`'),
      creator: z.string().optional().describe('A login'),
      since: z.string().optional().describe('Changed at or after this time, ISO 8601'),
      sort: z.enum(['created', 'updated', 'comments']).default('created'),
      direction: z.enum(['asc', 'desc']).default('desc'),
      ...shape.paging,
    }),
    output: shape.pageOf(shape.issueShape),
    rest: 'GET /repositories/:owner/:repo/issues',
    run: async ({ rest }, { labels: names, ...input }) => {
      const page = pageOf(await rest.issues.listForRepo({ ...input, labels: names?.join(',') }));
      return { ...page, items: page.items.filter?.(({ pull_request }) => !pull_request) };
    },
  },
  {
    name: 'get_issue',
    title: 'Get an issue',
    description: 'One issue with its text. Its comments: list_issue_comments.',
    annotations: READS,
    input: z.object(one),
    output: shape.issueShape,
    rest: 'GET /repositories/:owner/:repo/issues/:issue_number',
    run: async ({ rest }, input) => (await rest.issues.get(input)).data,
  },
  {
    name: 'list_issue_comments',
    title: 'List comments of an issue',
    description: 'Comments of an issue or of the conversation of a pull request, oldest first.',
    annotations: READS,
    input: z.object({ ...one, ...shape.paging }),
    output: shape.pageOf(shape.commentShape),
    rest: 'GET /repositories/:owner/:repo/issues/:issue_number/comments',
    run: async ({ rest }, input) => pageOf(await rest.issues.listComments(input)),
  },
  {
    name: 'create_issue',
    title: 'Create an issue',
    description: 'Open a new issue. Labels and assignees need the right to push.',
    annotations: ADDS,
    input: z.object({
      ...shape.repository,
      title,
      body: body.optional(),
      labels: labels.optional(),
      assignees: assignees.optional(),
      milestone: shape.number.optional(),
    }),
    output: shape.issueShape,
    rest: 'POST /repositories/:owner/:repo/issues',
    run: async ({ rest }, input) => (await rest.issues.create(input)).data,
  },
  {
    name: 'update_issue',
    title: 'Change an issue',
    description:
      'Change title, text, state, labels or assignees; what is not given stays. Labels and assignees replace the ones there are.',
    annotations: SETS,
    input: z.object({
      ...one,
      title: title.optional(),
      body: body.optional(),
      state: z.enum(['open', 'closed']).optional(),
      state_reason: z.enum(['completed', 'not_planned', 'reopened']).optional(),
      labels: labels.optional(),
      assignees: assignees.optional(),
    }),
    output: shape.issueShape,
    rest: 'PATCH /repositories/:owner/:repo/issues/:issue_number',
    run: async ({ rest }, input) => (await rest.issues.update(input)).data,
  },
  {
    name: 'add_issue_comment',
    title: 'Comment on an issue',
    description: 'Add a comment to an issue, or to the conversation of a pull request.',
    annotations: ADDS,
    input: z.object({ ...one, body: body.min(1) }),
    output: shape.commentShape,
    rest: 'POST /repositories/:owner/:repo/issues/:issue_number/comments',
    run: async ({ rest }, input) => (await rest.issues.createComment(input)).data,
  },
];
