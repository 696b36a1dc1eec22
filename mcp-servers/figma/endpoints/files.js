import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { path } from '../api/figma.js';
import { nodeShape, rawNodeShape, trim } from '../utils/nodes.js';
import { file, nodeIds, user, version } from '../utils/schemas.js';

const depth = z.number().int().min(1).max(20);
const limit = z.number().int().min(1).max(2000).default(300).describe('Nodes to show at most');

const about = { name: z.string(), last_modified: z.string(), version: z.string() };
const raw = { name: z.string(), lastModified: z.string(), version: z.string() };
const named = z.record(z.string(), z.object({ key: z.string(), name: z.string(), description: z.string().optional() }));

const versionShape = z.object({
  id: z.coerce.string(),
  created_at: z.string(),
  label: z.string().nullish(),
  description: z.string().nullish(),
  user: user.optional(),
});

export const files = [
  {
    name: 'get_file',
    title: 'Get a file',
    description:
      'What is in a file: its pages and, to the depth asked for, what is on them. Vectors and effects are left out.',
    annotations: READS,
    input: z.object({ file, depth: depth.default(2).describe('1: pages only; 2: and their top frames'), limit, version }),
    output: z.object({
      ...about,
      editor_type: z.string().optional(),
      pages: z.array(nodeShape),
      omitted_pages: z.number(),
      components: named.describe('By node id'),
      styles: named.describe('By style id'),
    }),
    rest: 'GET /files/:file',
    run: getFile,
  },
  {
    name: 'get_nodes',
    title: 'Get nodes',
    description: 'Some nodes of a file with what is below them.',
    annotations: READS,
    input: z.object({ file, ids: nodeIds, depth: depth.default(5).describe('How far below each node'), limit, version }),
    output: z.object({
      ...about,
      nodes: z.array(nodeShape),
      missing: z.array(z.string()).describe('Ids that are not in the file'),
    }),
    rest: 'GET /files/:file/nodes',
    run: getNodes,
  },
  {
    name: 'get_versions',
    title: 'List versions',
    description: 'The history of a file, newest first.',
    annotations: READS,
    input: z.object({
      file,
      page_size: z.number().int().min(1).max(50).default(30),
      cursor: z.string().regex(/^\d+$/).optional().describe('next_cursor of the answer before'),
    }),
    output: z.object({
      versions: z.array(versionShape),
      next_cursor: z.string().nullable().describe('null after the last'),
    }),
    rest: 'GET /files/:file/versions',
    run: getVersions,
  },
];

async function getFile(figma, { file: key, depth: levels, limit: nodes, version: of }) {
  const shape = z.object({
    ...raw,
    editorType: z.string().optional(),
    document: rawNodeShape,
    components: named.default({}),
    styles: named.default({}),
  });
  const data = await figma.get(path`/v1/files/${key}`, { depth: levels, version: of }, shape);
  const { children: pages = [], omitted_children: omitted = 0 } = trim(data.document, { nodes: nodes + 1 });
  const { name, lastModified, version: now, editorType, components, styles } = data;
  return {
    name,
    last_modified: lastModified,
    version: now,
    editor_type: editorType,
    pages,
    omitted_pages: omitted,
    components,
    styles,
  };
}

async function getNodes(figma, { file: key, ids, depth: levels, limit: nodes, version: of }) {
  const shape = z.object({ ...raw, nodes: z.record(z.string(), z.object({ document: rawNodeShape }).nullable()) });
  const query = { ids: ids.join(','), depth: levels, version: of };
  const data = await figma.get(path`/v1/files/${key}/nodes`, query, shape);
  const budget = { nodes };
  const found = ids.filter((id) => data.nodes[id]).map((id) => trim(data.nodes[id].document, budget));
  const missing = ids.filter((id) => !data.nodes[id]);
  return { name: data.name, last_modified: data.lastModified, version: data.version, nodes: found, missing };
}

async function getVersions(figma, { file: key, page_size: size, cursor }) {
  const shape = z.object({
    versions: z.array(versionShape),
    pagination: z.object({ next_page: z.string().nullish() }).optional(),
  });
  const data = await figma.get(path`/v1/files/${key}/versions`, { page_size: size, before: cursor }, shape);
  const next = data.pagination?.next_page;
  return { versions: data.versions, next_cursor: next ? (new URL(next).searchParams.get('before') ?? null) : null };
}
