import { z } from 'zod';

const ADDRESS = /figma\.com\/(?:file|design|board|slides|make|proto)\/([A-Za-z0-9]+)/;

export const file = z
  .string()
  .transform((text) => ADDRESS.exec(text)?.[1] ?? text)
  .pipe(z.string().regex(/^[A-Za-z0-9]{1,128}$/, 'must be the key of a file or its address'))
  .describe('Key of the file, or its address (https://www.figma.com/design/KEY/…)');

export const teamId = z.string().regex(/^\d+$/).describe("Number in the address of the team's page");
export const projectId = z.string().regex(/^\d+$/).describe('As list_projects gives it');
export const version = z.string().optional().describe('A version as get_versions gives it; the present one when absent');

/** As Figma writes it (`1:2`), or as its addresses do (`1-2`). */
export const nodeId = z
  .string()
  .regex(/^[I\d][\d:;I-]*$/, 'must look like 1:2')
  .transform((id) => id.replaceAll('-', ':'));
export const nodeIds = z.array(nodeId).min(1).max(100).describe('Ids of nodes, such as 1:2');

export const user = z.object({ id: z.string(), handle: z.string() });
