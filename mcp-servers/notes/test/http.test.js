import assert from 'node:assert/strict';
import { request as send } from 'node:http';
import test from 'node:test';

import { serviceFor } from './support.js';

const post = (url, body) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** A request with headers that `fetch` would not let us set. */
function raw({ port, path, headers, method = 'GET' }) {
  return new Promise((resolve, reject) => {
    const request = send({ host: '127.0.0.1', port, path, headers, method }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject).end();
  });
}

test('is healthy', async (t) => {
  const { url } = await serviceFor(t);
  const response = await fetch(`${url}/health`);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: 'ok', notes: 0 });
});

test('REST adds, lists, searches, reads and deletes', async (t) => {
  const { url } = await serviceFor(t);
  const created = await post(`${url}/api/notes`, { title: 'Milk', text: 'two bottles' });
  assert.equal(created.status, 201);
  const note = await created.json();
  const items = async (query) => (await (await fetch(`${url}/api/notes${query}`)).json()).items.length;
  assert.deepEqual([await items(''), await items('?q=bottles'), await items('?q=tea')], [1, 1, 0]);
  assert.equal((await (await fetch(`${url}/api/notes/${note.id}`)).json()).text, 'two bottles');
  assert.equal((await fetch(`${url}/api/notes/${note.id}`, { method: 'DELETE' })).status, 204);
  assert.equal((await fetch(`${url}/api/notes/${note.id}`)).status, 404);
});

test('refusals say why', async (t) => {
  const { url } = await serviceFor(t, { maxBodyBytes: 100 });
  const cases = [
    [await post(`${url}/api/notes`, { title: '', text: '' }), 400, /title must be/],
    [await post(`${url}/api/notes`, { title: 'x', text: 'y'.repeat(200) }), 413, /at most 100 bytes/],
    [await fetch(`${url}/api/notes`, { method: 'POST', body: '{' }), 400, /not JSON/],
    [await fetch(`${url}/api/notes`, { method: 'PUT' }), 405, /not possible/],
    [await fetch(`${url}/nowhere`), 404, /nothing at/],
    [await fetch(`${url}/api/notes/..%2f..%2fetc`), 404, /no note/],
  ];
  for (const [response, status, reason] of cases) {
    assert.equal(response.status, status);
    assert.match((await response.json()).error, reason);
  }
});

test('answers only to its own host', async (t) => {
  const { port } = await serviceFor(t);
  for (const path of ['/health', '/mcp', '/api/notes']) {
    assert.equal(await raw({ port, path, headers: { host: 'evil.example' } }), 403);
    assert.equal(await raw({ port, path, headers: { host: `127.0.0.1:${port}`, origin: 'https://evil.example' } }), 403);
  }
  assert.equal(await raw({ port, path: '/health', headers: { host: `localhost:${port}` } }), 200);
});
