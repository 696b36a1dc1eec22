// The parts of GitHub's objects that tools show; what GitHub sends beside them is dropped.
import { z } from 'zod';

const NAME = /^(?!\.{1,2}$)[\w.-]+$/;

export const owner = z.string().regex(NAME).max(100).describe('User or organization that owns the repository');
export const repo = z.string().regex(NAME).max(100).describe('Name of the repository, without its owner');
export const repository = { owner, repo };
export const number = z.number().int().min(1);

/** Arguments of every list. */
export const paging = {
  page: z.number().int().min(1).default(1).describe('Page, from 1; next_page of the answer before'),
  per_page: z.number().int().min(1).max(100).default(30).describe('Entries of a page'),
};

/** The output of every list. */
export const pageOf = (schema) =>
  z.object({
    items: z.array(schema),
    next_page: z.number().int().nullable().describe('Page to ask for next; null after the last'),
  });

export const user = z.object({ login: z.string() });

export const repositoryShape = z.object({
  full_name: z.string(),
  description: z.string().nullish(),
  private: z.boolean(),
  html_url: z.string(),
  default_branch: z.string().optional(),
  language: z.string().nullish(),
  topics: z.array(z.string()).optional(),
  stargazers_count: z.number().optional(),
  forks_count: z.number().optional(),
  open_issues_count: z.number().optional(),
  archived: z.boolean().optional(),
  fork: z.boolean(),
  updated_at: z.string().nullish(),
  pushed_at: z.string().nullish(),
});

export const issueShape = z.object({
  number: z.number(),
  title: z.string(),
  state: z.string(),
  state_reason: z.string().nullish(),
  body: z.string().nullish(),
  user: user.nullable(),
  labels: z.array(z.object({ name: z.string() })),
  assignees: z.array(user).nullish(),
  comments: z.number(),
  html_url: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  closed_at: z.string().nullish(),
});

export const commentShape = z.object({
  id: z.number(),
  body: z.string().nullish(),
  user: user.nullable(),
  html_url: z.string(),
  created_at: z.string(),
});

export const pullShape = z.object({
  number: z.number(),
  title: z.string(),
  state: z.string(),
  draft: z.boolean().optional(),
  body: z.string().nullish(),
  user: user.nullable(),
  head: z.object({ ref: z.string(), sha: z.string(), label: z.string().nullish() }),
  base: z.object({ ref: z.string() }),
  html_url: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  merged_at: z.string().nullish(),
});

/** Only in the answer for one pull request. */
export const pullDetailShape = pullShape.extend({
  merged: z.boolean(),
  mergeable: z.boolean().nullish().describe('null: GitHub is still finding out'),
  mergeable_state: z.string().optional(),
  commits: z.number(),
  additions: z.number(),
  deletions: z.number(),
  changed_files: z.number(),
});
