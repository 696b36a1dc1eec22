import { fileURLToPath } from 'node:url';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { ERAS, connectClient, startService } from '../../_shared/testing/service.js';
import { startStandIn } from '../../../tests/stand-ins/start.mjs';

const ENTRY = fileURLToPath(new URL('../index.js', import.meta.url));
const SDK = { Client, StreamableHTTPClientTransport };

/** `xoxb-alice` is the bot token of alice's workspace, `xoxp-alice` a user token of it; the same for bob. */
export const tokenOf = (login, kind = 'xoxb') => `${kind}-${login}`;

/** The service before a stand-in of Slack. `connect(login)` is a client of an instance with that login's token. */
export async function slackFor(t, env = {}) {
  const tokens = ['alice', 'bob'].flatMap((login) => ['xoxb', 'xoxp'].flatMap((kind) => ['--token', `${tokenOf(login, kind)}=${login}`]));
  const slack = await startStandIn(t, 'slack', tokens);
  const service = await startService(t, ENTRY, { SLACK_API_URL: `${slack.url}/api`, ...env });
  const instance = (login, kind) => service.instance({ credential: login && tokenOf(login, kind) });
  const connect = (login = 'alice', { kind = 'xoxb', era = ERAS[1][1] } = {}) => connectClient(t, SDK, instance(login, kind), era);
  return { slack, service, instance, connect };
}

/** The error that a call ends with. */
export async function failure(promise) {
  const result = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  if (!result.error) throw new Error(`it should have failed, but gave ${JSON.stringify(result.value)}`);
  return result.error;
}
