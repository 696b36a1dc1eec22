import assert from 'node:assert/strict';
import test from 'node:test';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { serviceFor } from './support.js';

const ERAS = [
  ['sessions', { mode: 'legacy' }],
  ['stateless', { mode: { pin: '2026-07-28' } }],
];

async function clientFor(t, url, versionNegotiation) {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation });
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`));
  await client.connect(transport);
  t.after(() => client.close());
  return { client, transport };
}

for (const [era, versionNegotiation] of ERAS) {
  test(`${era}: tools and resources are one notebook`, async (t) => {
    const { url } = await serviceFor(t);
    const { client, transport } = await clientFor(t, url, versionNegotiation);
    assert.equal(Boolean(transport.sessionId), era === 'sessions');
    const call = async (name, input) => client.callTool({ name, arguments: input });

    const { tools } = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name).sort(), ['add_note', 'delete_note', 'list_notes', 'read_note', 'search_notes']);
    const { structuredContent: note } = await call('add_note', { title: 'Milk', text: 'two bottles' });
    assert.equal((await call('read_note', { id: note.id })).structuredContent.text, 'two bottles');
    assert.equal((await call('search_notes', { query: 'BOTTLES' })).structuredContent.notes.length, 1);

    const { resources } = await client.listResources();
    assert.deepEqual(resources.map(({ name }) => name), ['Milk']);
    const { contents } = await client.readResource({ uri: resources[0].uri });
    assert.equal(contents[0].text, 'two bottles');

    assert.deepEqual((await call('delete_note', { id: note.id })).structuredContent, { deleted: note.id });
    assert.equal((await call('list_notes', {})).structuredContent.notes.length, 0);
    const refused = await call('read_note', { id: note.id });
    assert.equal(refused.isError, true);
    assert.match(refused.content[0].text, /there is no note/);
  });
}

test('sessions: others hear of a new note', async (t) => {
  const { url, notebook } = await serviceFor(t);
  const { client } = await clientFor(t, url, { mode: 'legacy' });
  const heard = new Promise((resolve) => client.setNotificationHandler('notifications/resources/list_changed', resolve));
  // The stream for notifications is opened after the handshake, without waiting for it.
  const nudge = setInterval(() => notebook.add({ title: 'again', text: '' }), 50);
  t.after(() => clearInterval(nudge));
  await heard;
});

test('sessions: an unknown one is 404, none is 400, the oldest idle one makes room', async (t) => {
  const { url } = await serviceFor(t, { maxSessions: 1 });
  const list = (headers = {}) =>
    fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
  assert.equal((await list({ 'mcp-session-id': 'unknown' })).status, 404);
  assert.equal((await list()).status, 400);

  const open = async () => {
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
      }),
    });
    await response.text();
    return response.headers.get('mcp-session-id');
  };
  const first = await open();
  const second = await open();
  assert.equal((await list({ 'mcp-session-id': first })).status, 404);
  assert.equal((await list({ 'mcp-session-id': second })).status, 200);
});

test('a large or broken body is a JSON-RPC error', async (t) => {
  const { url } = await serviceFor(t, { maxBodyBytes: 50 });
  const send = (body) => fetch(`${url}/mcp`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  for (const [body, status] of [['x'.repeat(100), 413], ['{', 400]]) {
    const response = await send(body);
    assert.equal(response.status, status);
    assert.equal((await response.json()).error.code, -32700);
  }
});
