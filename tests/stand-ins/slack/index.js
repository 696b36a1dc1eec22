// Slack's Web API: a workspace for each account of a token. Run it: node index.js --token xoxb-1=alice
import { runAsProgram } from '../common/program.js';
import { startStandIn } from '../common/server.js';
import { callMethod } from './methods.js';
import { Workspace } from './workspace.js';

const REFUSALS = { missing: 'not_authed', unknown: 'invalid_auth', expired: 'token_expired', revoked: 'token_revoked' };

/** `{ url, origin, tokens, faults, journal, workspace(account), close() }`; `url` is what SLACK_API_URL takes. */
export async function startSlack(options) {
  const workspaces = new Map();
  const workspace = (account) => {
    if (!workspaces.has(account)) workspaces.set(account, new Workspace(account));
    return workspaces.get(account);
  };
  const api = {
    name: 'slack',
    prefix: '/api/',
    answer: (request) => answer(workspace(request.account), request),
    refuse: (reason, { path }) => (path.startsWith('/files-pri/') ? signInPage() : { body: { ok: false, error: REFUSALS[reason] } }),
    rateLimited: (seconds) => ({
      status: 429,
      headers: { 'retry-after': String(seconds) },
      body: { ok: false, error: 'ratelimited' },
    }),
    seed: ({ account, channel, text }) => workspace(account).post({ channel: channel ?? workspace(account).channels[0].id, text }),
  };
  return { ...(await startStandIn(api, options)), workspace };
}

function answer(workspace, request) {
  const method = /^\/api\/([a-zA-Z.]+)$/.exec(request.path)?.[1];
  if (method) return callMethod(method, workspace, { ...Object.fromEntries(request.query), ...request.body }, request);
  const file = /^\/files-pri\/(\w+)-(\w+)\//.exec(request.path);
  const found = file && file[1] === workspace.team.id && workspace.files.find(({ info }) => info.id === file[2]);
  if (!found) return signInPage();
  return { headers: { 'content-type': found.info.mimetype }, body: found.content };
}

/** What Slack shows at the address of a file to those who may not see it. */
function signInPage() {
  return { headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<!DOCTYPE html><title>Slack</title>Sign in' };
}

await runAsProgram(import.meta, startSlack);
