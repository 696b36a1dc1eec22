import { z } from 'zod';

import { fileContent, fileFields } from '../../_shared/files.js';
import { Problem } from '../../_shared/problem.js';
import { READS } from '../../_shared/tools.js';
import { mimeType } from '../utils/mime.js';
import * as shape from '../utils/schemas.js';

const MAX_FILE_BYTES = 1024 * 1024;

const path = z
  .string()
  .max(4096)
  .transform((text) => text.replace(/^\/+|\/+$/g, ''));
const ref = z.string().max(255).optional().describe('Branch, tag or commit; the default branch when absent');

const entryShape = z.object({
  name: z.string(),
  path: z.string(),
  type: z.string().describe('file, dir, symlink or submodule'),
  size: z.number(),
  sha: z.string(),
  html_url: z.string().nullish(),
});

export const files = [
  {
    name: 'get_file',
    title: 'Read a file',
    description: 'A file of a repository: text as it is, anything else as base64. At most 1 MiB.',
    annotations: READS,
    input: z.object({ ...shape.repository, path: path.describe('Path of the file, such as src/main.rs'), ref }),
    output: entryShape.extend({
      mime_type: z.string(),
      text: z.string().optional(),
      data: z.string().optional().describe('Base64, in place of text'),
    }),
    rest: 'GET /repositories/:owner/:repo/files/*path',
    run: readFile,
    content: (result) => fileContent(result.html_url ?? `github:///${result.path}`, result),
  },
  {
    name: 'list_directory',
    title: 'List a directory',
    description: 'The files and directories in a directory of a repository.',
    annotations: READS,
    input: z.object({
      ...shape.repository,
      path: path.default('').describe('Path of the directory; the root when absent'),
      ref,
    }),
    output: z.object({ items: z.array(entryShape) }),
    rest: 'GET /repositories/:owner/:repo/directories/*path',
    run: async ({ rest }, input) => {
      const { data } = await rest.repos.getContent(input);
      if (!Array.isArray(data)) throw new Problem(400, `${input.path} is a ${data?.type}: read it with get_file`);
      return { items: data };
    },
  },
];

async function readFile({ rest }, input) {
  const { data } = await rest.repos.getContent(input);
  if (Array.isArray(data)) throw new Problem(400, `${input.path} is a directory: use list_directory`);
  if (data?.type !== 'file') throw new Problem(400, `${input.path} is a ${data?.type}, not a file`);
  if (data.size > MAX_FILE_BYTES) {
    throw new Problem(
      413,
      `${input.path} has ${data.size} bytes; at most ${MAX_FILE_BYTES} can be read. See ${data.html_url}`,
      {
        code: 'too_large',
      },
    );
  }
  const named = mimeType(data.name);
  const fields = fileFields(Buffer.from(data.content, 'base64'), named ?? '');
  return { ...data, ...fields, mime_type: named ?? (fields.data ? 'application/octet-stream' : 'text/plain') };
}
