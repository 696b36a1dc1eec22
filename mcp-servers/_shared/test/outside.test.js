import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import test from 'node:test';

import { createFetch } from '../outside.js';
import { waitAskedFor } from '../ratelimit.js';

const settings = { timeoutMs: 1000, retries: 2, maxWaitMs: 100, maxResponseBytes: 1000 };

/** A server that answers with the given answers in turn, and the requests that it saw. */
async function serverFor(t, ...answers) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const [status, headers, body] = answers[Math.min(seen.length, answers.length) - 1];
    response.writeHead(status, headers).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

test('what a rate limit asks for', () => {
  const asked = (headers) => waitAskedFor({ headers: new Headers(headers) });
  const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000);
  assert.equal(asked({ 'retry-after': '7' }), 7000);
  assert.equal(asked({ 'retry-after': '0.5' }), 500);
  assert.equal(asked({ 'retry-after': inSeconds(-5).toUTCString() }), 0);
  assert.ok(asked({ 'retry-after': inSeconds(60).toUTCString() }) > 50_000);
  assert.ok(asked({ 'x-ratelimit-reset': String(Math.ceil(inSeconds(60) / 1000)) }) > 50_000);
  assert.equal(asked({ 'retry-after': 'soon' }), undefined);
  assert.equal(asked({}), undefined);
});

test('redirects are followed on the same origin alone, and for readings', async (t) => {
  const fetch = createFetch({ service: 'X', settings });
  const here = await serverFor(t, [301, { location: '/new' }], [200, { 'content-type': 'application/json' }, '{"a":1}']);
  assert.deepEqual(await (await fetch(`${here.url}/old`)).json(), { a: 1 });
  assert.deepEqual(here.seen, ['GET /old', 'GET /new']);
  const target = await serverFor(t, [200, {}]);
  const away = await serverFor(t, [302, { location: target.url }]);
  await assert.rejects(fetch(away.url), /sends the call on to/);
  assert.deepEqual(target.seen, []);
  const moved = await serverFor(t, [307, { location: '/new' }]);
  await assert.rejects(fetch(moved.url, { method: 'POST', body: '{}' }), /sends the call on to/);
  const round = await serverFor(t, [302, { location: '/' }]);
  await assert.rejects(fetch(round.url), /sends the call on to/);
  assert.equal(round.seen.length, 4);
});

test('dot segments are refused however they are written', async () => {
  const fetch = createFetch({ service: 'X', settings });
  for (const path of ['/a/../b', '/a/..', '/./a', '/a/%2e%2E/b', '/a/..%2fb', '/a%2F..%2Fb']) {
    await assert.rejects(fetch(`http://127.0.0.1:1${path}`), { code: 'bad_request' }, path);
  }
  await assert.rejects(fetch('http://127.0.0.1:1/a..b/...?x=/../'), { code: 'outside_unreachable' });
});

test('which calls are repeated', async (t) => {
  const fetch = createFetch({ service: 'X', settings });
  const count = async (init, ...answers) => {
    const { seen, url } = await serverFor(t, ...answers);
    const { status } = await fetch(url, init).catch((error) => error);
    return [status, seen.length];
  };
  const post = { method: 'POST' };
  assert.deepEqual(await count({}, [503, { 'retry-after': '0' }], [200, {}]), [200, 2]);
  assert.deepEqual(await count({}, [503, { 'retry-after': '60' }]), [503, 1]);
  assert.deepEqual(await count({}, [501, {}]), [501, 1]);
  assert.deepEqual(await count({}, [404, {}]), [404, 1]);
  assert.deepEqual(await count(post, [503, { 'retry-after': '0' }]), [503, 1]);
  assert.deepEqual(await count(post, [429, { 'retry-after': '0' }], [201, {}]), [201, 2]);
  assert.deepEqual(await count(post, [429, { 'retry-after': '0' }]), [429, 3]);
  assert.deepEqual(await count({}, [403, {}]), [403, 1]);
  assert.deepEqual(await count({}, [403, { 'x-ratelimit-remaining': '0', 'retry-after': '0' }], [200, {}]), [200, 2]);
});

test('an answer is whole: its status, headers and address', async (t) => {
  const fetch = createFetch({ service: 'X', settings });
  const { url } = await serverFor(t, [418, { 'x-a': 'b', 'content-type': 'text/plain' }, 'tea']);
  const response = await fetch(`${url}/x`);
  assert.deepEqual(
    [response.status, response.headers.get('x-a'), await response.text(), response.url],
    [418, 'b', 'tea', `${url}/x`],
  );
  const empty = await serverFor(t, [204, {}]);
  assert.equal((await fetch(empty.url)).status, 204);
});
