import { fileURLToPath } from 'node:url';

import * as sdk from '@modelcontextprotocol/client';

import { startStandIn } from '../../../tests/stand-ins/start.mjs';
import { QUICK } from '../../_shared/testing/contract.js';
import { connectClient, startService } from '../../_shared/testing/service.js';

export { sdk };
export const ENTRY = fileURLToPath(new URL('../index.js', import.meta.url));
export const TOKENS = { alice: 'figd_alice', bob: 'figd_bob' };

export const startFigma = (test) =>
  startStandIn(
    test,
    'figma',
    Object.entries(TOKENS).flatMap(([login, token]) => ['--token', `${token}=${login}`]),
  );

export const env = (figma) => ({ FIGMA_API_URL: figma.url });

/** The service before a stand-in of Figma; `as(login, config)` is a user's MCP client. */
export async function serviceFor(test) {
  const figma = await startFigma(test);
  const service = await startService(test, ENTRY, { ...QUICK, ...env(figma) });
  const as = (login, config) => connectClient(test, sdk, service.instance({ credential: TOKENS[login], config }));
  return { figma, service, as };
}
