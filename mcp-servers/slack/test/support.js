import { fileURLToPath } from 'node:url';

import * as sdk from '@modelcontextprotocol/client';

import { startStandIn } from '../../../tests/stand-ins/start.mjs';
import { QUICK } from '../../_shared/testing/contract.js';
import { connectClient, startService } from '../../_shared/testing/service.js';

export { sdk };
export const ENTRY = fileURLToPath(new URL('../index.js', import.meta.url));
/** Tokens of bots, one for each workspace. */
export const TOKENS = { alice: 'xoxb-alice', bob: 'xoxb-bob' };
/** The token of a user of alice's workspace. */
export const USER_TOKEN = 'xoxp-alice';

const pairs = [...Object.entries(TOKENS), ['alice', USER_TOKEN]];

export const startSlack = (test) =>
  startStandIn(
    test,
    'slack',
    pairs.flatMap(([login, token]) => ['--token', `${token}=${login}`]),
  );

export const env = (slack) => ({ SLACK_API_URL: `${slack.url}/api` });

/** The service before a stand-in of Slack; `connect(token)` is an MCP client of an instance with that token. */
export async function serviceFor(test) {
  const slack = await startSlack(test);
  const service = await startService(test, ENTRY, { ...QUICK, OUTSIDE_MAX_RESPONSE_BYTES: '', ...env(slack) });
  const connect = (token = TOKENS.alice) => connectClient(test, sdk, service.instance({ credential: token }));
  return { slack, service, connect };
}
