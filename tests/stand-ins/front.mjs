// What every stand-in of an outside API does: knows tokens, fails on demand, remembers who asked.
//
// Control, on the same port:
//   PUT    /_control/tokens {TOKEN: {login, state}}   state: valid (default), expired, revoked
//   GET    /_control/calls                            [{token, login, method, path, status}]; DELETE forgets
//   POST   /_control/faults {kind, token?, method?, path?, times?, …}; DELETE forgets
//     kinds: rate_limit {retry_after}, status {status, body}, malformed, hang, reset, slow {ms},
//     oversize {bytes}, body {body}, redirect {to}; path is a regular expression, times 1 when absent
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

/**
 * @param {object} vendor
 * @param {(request) => string | undefined} vendor.tokenOf the credential that came with a request
 * @param {(why: 'missing' | 'unknown' | 'expired' | 'revoked') => Answer} vendor.refusal
 * @param {(fault) => Answer} vendor.rateLimit
 * @param {(call: {request, url: URL, body: Buffer, login: string}) => Promise<Answer>} vendor.answer
 * @typedef {{status: number, headers?: object, body: unknown}} Answer body: JSON, or bytes as they are
 */
export function createFront(vendor, tokens) {
  const users = new Map(Object.entries(tokens));
  let calls = [];
  let faults = [];

  function faultFor(call) {
    const fault = faults.find(
      ({ token, method, path }) =>
        (token ?? call.token) === call.token &&
        (method ?? call.method) === call.method &&
        new RegExp(path ?? '').test(call.path),
    );
    if (fault && (fault.times -= 1) <= 0) faults = faults.filter((other) => other !== fault);
    return fault;
  }

  async function answer(request, url, body, call) {
    const user = users.get(call.token);
    if (!user) return vendor.refusal(call.token === undefined ? 'missing' : 'unknown');
    call.login = user.login;
    if ((user.state ?? 'valid') !== 'valid') return vendor.refusal(user.state);
    const fault = faultFor(call);
    if (!fault) return vendor.answer({ request, url, body, login: user.login });
    if (fault.kind === 'slow') {
      await new Promise((resolve) => setTimeout(resolve, fault.ms));
      return vendor.answer({ request, url, body, login: user.login });
    }
    return failure(fault, vendor);
  }

  function control(request, path, body) {
    switch (`${request.method} ${path}`) {
      case 'PUT tokens':
        for (const [token, user] of Object.entries(JSON.parse(body))) users.set(token, user);
        return { status: 200, body: {} };
      case 'GET calls':
        return { status: 200, body: calls };
      case 'DELETE calls':
        calls = [];
        return { status: 200, body: {} };
      case 'POST faults':
        faults.push({ times: 1, ...JSON.parse(body) });
        return { status: 200, body: {} };
      case 'DELETE faults':
        faults = [];
        return { status: 200, body: {} };
      default:
        return { status: 404, body: {} };
    }
  }

  return createServer(async (request, response) => {
    const url = new URL(request.url, `http://${request.headers.host}`);
    const body = await bodyOf(request);
    const path = /^\/_control\/(\w+)$/.exec(url.pathname)?.[1];
    if (path) return send(response, control(request, path, body));
    const call = { token: vendor.tokenOf(request), method: request.method, path: request.url };
    calls.push(call);
    const result = await answer(request, url, body, call).catch((error) => ({
      status: 500,
      body: { message: error.stack },
    }));
    call.status = result?.status;
    send(response, result);
  });
}

/** What a fault answers; nothing for one that is silent. */
function failure(fault, vendor) {
  const headers = { 'content-type': 'application/json' };
  switch (fault.kind) {
    case 'rate_limit':
      return vendor.rateLimit(fault);
    case 'status':
      return { status: fault.status, headers: fault.headers, body: fault.body ?? {} };
    case 'body':
      return { status: 200, body: fault.body };
    case 'malformed':
      return { status: 200, headers, body: Buffer.from('{"cut": ') };
    case 'oversize':
      return { status: 200, headers, body: Buffer.alloc(fault.bytes, ' ') };
    case 'redirect':
      return { status: 302, headers: { location: fault.to }, body: {} };
    case 'reset':
      return { reset: true };
    default:
      return undefined; // hang
  }
}

function send(response, result) {
  if (!result) return;
  if (result.reset) {
    response.destroy();
    return;
  }
  const isBytes = Buffer.isBuffer(result.body);
  const headers = { ...(isBytes ? {} : { 'content-type': 'application/json; charset=utf-8' }), ...result.headers };
  response.writeHead(result.status, headers).end(isBytes ? result.body : JSON.stringify(result.body));
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Arguments of every stand-in: `--port N` (0: any), `--token TOKEN=LOGIN` as often as needed, and
 * `--users N` for `user1` to `userN` with the tokens `<prefix>user1` and so on.
 */
export function readArguments(prefix) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      token: { type: 'string', multiple: true, default: [] },
      users: { type: 'string', default: '0' },
    },
  });
  const tokens = Object.fromEntries(
    values.token.map((pair) => [pair.slice(0, pair.indexOf('=')), { login: pair.slice(pair.indexOf('=') + 1) }]),
  );
  for (let n = 1; n <= Number(values.users); n += 1) tokens[`${prefix}user${n}`] = { login: `user${n}` };
  return { port: Number(values.port), tokens };
}

/** A port that nobody listens on, for a program that cannot choose one itself. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Listens and says so: one line of JSON on standard output, `{"port", "url"}`. */
export function listen(server, port) {
  server.listen(port, '127.0.0.1', () => {
    const { port: bound } = server.address();
    process.stdout.write(`${JSON.stringify({ port: bound, url: `http://127.0.0.1:${bound}` })}\n`);
  });
}
