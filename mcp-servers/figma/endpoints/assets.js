import { z } from 'zod';

import { OutsideProblem } from '../../_shared/problem.js';
import { READS } from '../../_shared/tools.js';
import { path } from '../api/figma.js';
import { file, nodeIds, version } from '../utils/schemas.js';

const image = z.object({ id: z.string(), url: z.string() });

export const assets = [
  {
    name: 'export_assets',
    title: 'Export assets',
    description: 'Render nodes as images: addresses to download them from, good for 30 days.',
    annotations: READS,
    input: z.object({
      file,
      ids: nodeIds,
      format: z.enum(['png', 'jpg', 'svg', 'pdf']).default('png'),
      scale: z.number().min(0.01).max(4).default(1).describe('For png and jpg'),
      version,
    }),
    output: z.object({
      images: z.array(image),
      failed: z.array(z.string()).describe('Ids that could not be rendered: hidden, empty or not there'),
    }),
    rest: 'GET /files/:file/exports',
    run: exportAssets,
  },
  {
    name: 'get_image_fills',
    title: 'Get image fills',
    description: 'The images that a file uses as fills: addresses to download them from, good for 14 days.',
    annotations: READS,
    input: z.object({ file }),
    output: z.object({ images: z.array(z.object({ ref: z.string(), url: z.string() })) }),
    rest: 'GET /files/:file/images',
    run: async (figma, { file: key }) => {
      const shape = z.object({ meta: z.object({ images: z.record(z.string(), z.string()) }) });
      const { meta } = await figma.get(path`/v1/files/${key}/images`, {}, shape);
      return { images: Object.entries(meta.images).map(([ref, url]) => ({ ref, url })) };
    },
  },
];

async function exportAssets(figma, { file: key, ids, format, scale, version: of }) {
  const shape = z.object({ err: z.string().nullish(), images: z.record(z.string(), z.string().nullable()).default({}) });
  const query = { ids: ids.join(','), format, scale, version: of };
  const { err, images } = await figma.get(path`/v1/images/${key}`, query, shape);
  if (err) throw new OutsideProblem('Figma', 200, err, { code: 'outside_refused' });
  const rendered = ids.filter((id) => images[id]).map((id) => ({ id, url: images[id] }));
  return { images: rendered, failed: ids.filter((id) => !images[id]) };
}
