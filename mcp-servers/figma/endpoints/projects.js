import { z } from 'zod';

import { Problem } from '../../_shared/problem.js';
import { READS } from '../../_shared/tools.js';
import { path } from '../api/figma.js';
import { projectId, teamId } from '../utils/schemas.js';

/** Projects whose files one call of list_files reads. */
const PROJECTS_AT_ONCE = 10;

const me = z.object({ id: z.string(), handle: z.string(), email: z.string().optional(), img_url: z.string().optional() });
const project = z.object({ id: z.coerce.string(), name: z.string() });
const listed = z.object({
  key: z.string(),
  name: z.string(),
  last_modified: z.string(),
  thumbnail_url: z.string().nullish(),
});

export const getMe = (figma) => figma.get('/v1/me', {}, me);

const projectsOf = (figma, team) =>
  figma.get(path`/v1/teams/${team}/projects`, {}, z.object({ name: z.string(), projects: z.array(project) }));

const filesOf = (figma, id) =>
  figma.get(path`/v1/projects/${id}/files`, {}, z.object({ name: z.string(), files: z.array(listed) }));

function teamOf(input, context) {
  const team = input.team_id ?? context.config.team_id;
  if (team) return String(team);
  throw new Problem(400, 'say which team: give team_id, or set it in the config of the instance', { code: 'bad_arguments' });
}

export const projects = [
  {
    name: 'get_me',
    title: 'Who am I',
    description: 'The Figma account that this instance acts as.',
    annotations: READS,
    input: z.object({}),
    output: me,
    rest: 'GET /me',
    run: getMe,
  },
  {
    name: 'list_projects',
    title: 'List projects',
    description: "The projects of a team. Figma cannot list teams: the number is in the address of the team's page.",
    annotations: READS,
    input: z.object({ team_id: teamId.optional() }),
    output: z.object({ team: z.string(), projects: z.array(project) }),
    rest: 'GET /projects',
    run: async (figma, input, context) => {
      const { name, projects: items } = await projectsOf(figma, teamOf(input, context));
      return { team: name, projects: items };
    },
  },
  {
    name: 'list_files',
    title: 'List files',
    description: `The files of a project, or of all projects of a team, ${PROJECTS_AT_ONCE} projects at a time.`,
    annotations: READS,
    input: z.object({
      project_id: projectId.optional(),
      team_id: teamId.optional(),
      cursor: z.string().regex(/^\d+$/).optional().describe('next_cursor of the answer before'),
    }),
    output: z.object({
      files: z.array(listed.extend({ project: z.string() })),
      next_cursor: z.string().nullable().describe('null after the last'),
    }),
    rest: 'GET /files',
    run: listFiles,
  },
];

async function listFiles(figma, input, context) {
  if (input.project_id) return { files: withProject(await filesOf(figma, input.project_id)), next_cursor: null };
  const all = await projectsOf(figma, teamOf(input, context));
  const start = Number(input.cursor ?? 0);
  const end = start + PROJECTS_AT_ONCE;
  const lists = await Promise.all(all.projects.slice(start, end).map(({ id }) => filesOf(figma, id)));
  return { files: lists.flatMap(withProject), next_cursor: end < all.projects.length ? String(end) : null };
}

function withProject({ name, files }) {
  return files.map((file) => ({ ...file, project: name }));
}
