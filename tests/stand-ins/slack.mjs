// A stand-in of Slack's Web API: a workspace for each login. `node slack.mjs --token xoxb-1=alice`;
// SLACK_API_URL is its URL and /api.
import { crossingOf } from './crossings.mjs';
import { createFront, listen, readArguments } from './front.mjs';
import { callMethod } from './slack/methods.mjs';
import { Workspace } from './slack/workspace.mjs';

const REFUSALS = { missing: 'not_authed', unknown: 'invalid_auth', expired: 'token_expired', revoked: 'token_revoked' };

const workspaces = new Map();
const workspaceOf = (login) => {
  if (!workspaces.has(login)) workspaces.set(login, new Workspace(login));
  return workspaces.get(login);
};

const tokenOf = ({ headers }) => /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];

const { port, tokens } = readArguments('xoxb-');
const front = createFront(
  {
    tokenOf,
    refusal: (why) => ({ status: 200, body: { ok: false, error: REFUSALS[why] } }),
    rateLimit: ({ retry_after: seconds }) => ({
      status: 429,
      headers: { 'retry-after': String(seconds) },
      body: { ok: false, error: 'ratelimited' },
    }),
    answer,
  },
  tokens,
);
listen(front, port);

async function answer({ request, url, body, login }) {
  const workspace = workspaceOf(login);
  const form = new URLSearchParams(body.toString());
  const crossing = crossingOf([...url.searchParams.values(), ...form.values()].join(' '), login);
  if (crossing) return crossing;
  const method = /^\/api\/([a-zA-Z.]+)$/.exec(url.pathname)?.[1];
  const input = Object.fromEntries([...url.searchParams, ...form]);
  if (method) return callMethod(method, workspace, input, { token: tokenOf(request), origin: url.origin });
  return file(workspace, url.pathname);
}

function file(workspace, path) {
  const [, team, id] = /^\/files-pri\/(\w+)-(\w+)\//.exec(path) ?? [];
  const found = team === workspace.team.id && workspace.files.find(({ info }) => info.id === id);
  if (found) return { status: 200, headers: { 'content-type': found.info.mimetype }, body: found.content };
  // What Slack shows at the address of a file to those who may not see it.
  const page = Buffer.from('<!DOCTYPE html><title>Slack</title>Sign in');
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: page };
}
