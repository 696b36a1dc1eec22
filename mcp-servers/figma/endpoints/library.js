import { z } from 'zod';

import { Problem } from '../../_shared/problem.js';
import { READS } from '../../_shared/tools.js';
import { path } from '../api/figma.js';
import { file, teamId } from '../utils/schemas.js';

const published = {
  key: z.string(),
  file_key: z.string(),
  node_id: z.string(),
  name: z.string(),
  description: z.string(),
  thumbnail_url: z.string().nullish(),
  updated_at: z.string(),
};

export const library = [
  listTool('components', 'components', z.object(published)),
  listTool('styles', 'styles (colors, texts, effects, grids)', z.object({ ...published, style_type: z.string() })),
];

/** Components and styles are listed alike. */
function listTool(kind, words, shape) {
  return {
    name: `list_${kind}`,
    title: `List ${kind}`,
    description: `The published ${words} of a file, or of a team page by page.`,
    annotations: READS,
    input: z.object({
      file: file.optional(),
      team_id: teamId.optional(),
      page_size: z.number().int().min(1).max(1000).default(100).describe('For a team'),
      cursor: z.string().regex(/^\d+$/).optional().describe('For a team: next_cursor of the answer before'),
    }),
    output: z.object({ [kind]: z.array(shape), next_cursor: z.string().nullable().describe('null after the last') }),
    rest: `GET /${kind}`,
    run: (figma, input, context) => list(figma, kind, shape, { ...input, team_id: input.team_id ?? context.config.team_id }),
  };
}

async function list(figma, kind, shape, { file: key, team_id: team, page_size: size, cursor }) {
  const answer = z.object({
    meta: z.object({ [kind]: z.array(shape), cursor: z.object({ after: z.number().optional() }).optional() }),
  });
  if (!key && !team) throw new Problem(400, 'give a file or a team_id', { code: 'bad_arguments' });
  const { meta } = key
    ? await figma.get(path`/v1/files/${key}` + `/${kind}`, {}, answer)
    : await figma.get(path`/v1/teams/${team}` + `/${kind}`, { page_size: size, after: cursor }, answer);
  const after = key ? undefined : meta.cursor?.after;
  return { [kind]: meta[kind], next_cursor: after === undefined ? null : String(after) };
}
