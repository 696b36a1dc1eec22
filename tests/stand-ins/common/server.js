// What every stand-in has: an HTTP server that knows tokens, writes down each request, fails on demand
// and can be steered under /_control. What it answers otherwise is the stand-in's own.
import { createServer } from 'node:http';

import { control } from './control.js';
import { Faults } from './faults.js';
import { Journal } from './journal.js';
import { Tokens } from './tokens.js';

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * Starts a stand-in on a loopback port; 0 is a free one.
 *
 * `api` is `{ name, prefix, answer(request), refuse(reason, request), rateLimited(seconds) }`. The last two give
 * the vendor's own answers `{ status, headers, body }`; `reason` is missing, unknown, expired or revoked.
 * `answer` gets `{ method, path, query, headers, body, token, account }` with an account of a valid token.
 * `open` lists paths that need no token.
 */
export async function startStandIn(api, { port = 0, tokens = {} } = {}) {
  const parts = { api, tokens: new Tokens(tokens), faults: new Faults(), journal: new Journal() };
  const server = createServer((incoming, response) => {
    serve(parts, incoming, response).catch((error) => {
      send(response, { status: 500, body: { stand_in_error: error.stack ?? String(error) } });
    });
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  parts.origin = origin;
  const close = () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  };
  return { ...parts, origin, url: `${origin}${api.prefix}`, port: server.address().port, close };
}

async function serve(parts, incoming, response) {
  const request = await read(incoming);
  request.origin = parts.origin;
  if (request.path.startsWith('/_control/')) return send(response, control(parts, request));
  const isOpen = parts.api.open?.some((path) => request.path.startsWith(path)) ?? false;
  request.token = parts.api.tokenOf?.(request) ?? bearer(request);
  const known = parts.tokens.look(request.token);
  request.account = known.account;
  parts.journal.add(request);

  const fault = parts.faults.take(request);
  if (fault && (await fail(parts.api, fault, response))) return;
  if (!isOpen && known.state !== 'valid') return send(response, parts.api.refuse(known.state, request));
  send(response, await parts.api.answer(request));
}

/** Does what the fault says; false when the request is to be answered after all. */
async function fail(api, fault, response) {
  switch (fault.kind) {
    case 'rate_limit':
      send(response, api.rateLimited(fault.retry_after ?? 1));
      return true;
    case 'malformed':
      send(response, { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":tru' });
      return true;
    case 'status':
      send(response, { status: fault.status ?? 500, body: fault.body ?? { error: 'on demand' } });
      return true;
    case 'hang': // until the client gives up
      return true;
    case 'reset':
      response.destroy();
      return true;
    default: // slow
      await new Promise((resolve) => setTimeout(resolve, fault.ms ?? 100));
      return false;
  }
}

async function read(incoming) {
  const { pathname, searchParams } = new URL(incoming.url, 'http://localhost');
  const chunks = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('body too large');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const type = incoming.headers['content-type'] ?? '';
  return {
    method: incoming.method,
    path: decodeURIComponent(pathname),
    query: searchParams,
    headers: incoming.headers,
    text,
    body: parse(type, text),
  };
}

function parse(type, text) {
  if (!text) return {};
  if (type.includes('json')) return JSON.parse(text);
  if (type.includes('urlencoded')) return Object.fromEntries(new URLSearchParams(text));
  return {};
}

function bearer(request) {
  return /^(?:Bearer|token) (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

function send(response, { status = 200, headers = {}, body }) {
  const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const all = isRaw ? headers : { 'content-type': 'application/json; charset=utf-8', ...headers };
  response.writeHead(status, all).end(isRaw ? body : JSON.stringify(body));
}
