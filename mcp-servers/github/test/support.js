import { fileURLToPath } from 'node:url';

import * as sdk from '@modelcontextprotocol/client';

import { startStandIn } from '../../../tests/stand-ins/start.mjs';
import { QUICK } from '../../_shared/testing/contract.js';
import { connectClient, startService } from '../../_shared/testing/service.js';

export { sdk };
export const ENTRY = fileURLToPath(new URL('../index.js', import.meta.url));
export const TOKENS = { alice: 'ghp_alice', bob: 'ghp_bob' };

export const startGitHub = (test) =>
  startStandIn(
    test,
    'github',
    Object.entries(TOKENS).flatMap(([login, token]) => ['--token', `${token}=${login}`]),
  );

export const env = (github) => ({ GITHUB_API_URL: github.url });

/** The service before a stand-in of GitHub; `as(login)` is a user's MCP client. */
export async function serviceFor(test) {
  const github = await startGitHub(test);
  const service = await startService(test, ENTRY, { ...QUICK, ...env(github) });
  const as = (login) => connectClient(test, sdk, service.instance({ credential: TOKENS[login] }));
  return { github, service, as };
}

/** Asks GitHub itself, to arrange what no tool does. */
export async function arrange(github, login, method, path, body) {
  const response = await fetch(github.url + path, {
    method,
    headers: { authorization: `Bearer ${TOKENS[login]}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Writes a file by a commit on a branch. */
export const writeFile = (github, login, repository, path, bytes, branch = 'main') =>
  arrange(github, login, 'PUT', `/repos/${repository}/contents/${path.split('/').map(encodeURIComponent).join('/')}`, {
    message: `Write ${path}`,
    content: Buffer.from(bytes).toString('base64'),
    branch,
  });
