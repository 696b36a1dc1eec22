import { z } from 'zod';

import { ADDS, READS } from '../../_shared/tools.js';
import { path } from '../api/figma.js';
import { file, nodeId, user } from '../utils/schemas.js';

const raw = z.object({
  id: z.string(),
  message: z.string(),
  user,
  created_at: z.string(),
  resolved_at: z.string().nullish(),
  parent_id: z.string().nullish(),
  client_meta: z.object({ node_id: z.unknown() }).partial().nullish(),
});

const comment = raw.omit({ client_meta: true }).extend({ node_id: z.string().nullable().describe('What it is pinned to') });

export const comments = [
  {
    name: 'get_comments',
    title: 'Get comments',
    description: 'The comments of a file, as Markdown. Replies name their parent_id.',
    annotations: READS,
    input: z.object({ file, unresolved_only: z.boolean().default(false) }),
    output: z.object({ comments: z.array(comment) }),
    rest: 'GET /files/:file/comments',
    run: async (figma, { file: key, unresolved_only: openOnly }) => {
      const answer = await figma.get(path`/v1/files/${key}/comments`, { as_md: true }, z.object({ comments: z.array(raw) }));
      return { comments: answer.comments.filter(({ resolved_at }) => !openOnly || !resolved_at).map(withNode) };
    },
  },
  {
    name: 'post_comment',
    title: 'Post a comment',
    description: 'Comment on a file, on a node of it, or reply to the first comment of a thread.',
    annotations: ADDS,
    input: z.object({
      file,
      message: z.string().min(1).max(10_000),
      reply_to: z.string().optional().describe('Id of the first comment of the thread'),
      node_id: nodeId.optional().describe('Node to pin it to, such as 1:2'),
    }),
    output: comment,
    rest: 'POST /files/:file/comments',
    run: async (figma, { file: key, message, reply_to: parent, node_id: node }) => {
      const pin = node && { node_id: node, node_offset: { x: 0, y: 0 } };
      return withNode(
        await figma.post(path`/v1/files/${key}/comments`, { message, comment_id: parent, client_meta: pin }, raw),
      );
    },
  },
];

function withNode({ client_meta: meta, ...rest }) {
  const id = Array.isArray(meta?.node_id) ? meta.node_id[0] : meta?.node_id;
  return { ...rest, node_id: typeof id === 'string' ? id : null };
}
