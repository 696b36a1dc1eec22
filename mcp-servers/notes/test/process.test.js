import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { folderFor } from './support.js';

const ENTRY = fileURLToPath(new URL('../index.js', import.meta.url));

async function start(t, env) {
  const child = spawn(process.execPath, [ENTRY], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  return { child, log: () => log };
}

test('ends on SIGTERM with its streams open', async (t) => {
  const { child, log } = await start(t, { PORT: '0', NOTES_DIR: await folderFor(t) });
  while (!log().includes('listening')) await once(child.stderr, 'data');
  const { port } = JSON.parse(log().split('\n')[0]);
  const body = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } };
  const accept = 'application/json, text/event-stream';
  const opened = await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { 'content-type': 'application/json', accept }, body: JSON.stringify(body) });
  await opened.text();
  const session = opened.headers.get('mcp-session-id');
  const stream = await fetch(`http://127.0.0.1:${port}/mcp`, { headers: { accept: 'text/event-stream', 'mcp-session-id': session } });
  assert.equal(stream.status, 200);
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
  await stream.body.cancel().catch(() => {});
});

test('says what is wrong with its settings', async (t) => {
  const { child, log } = await start(t, { NOTES_DIR: await folderFor(t) });
  const [code] = await once(child, 'exit');
  assert.notEqual(code, 0);
  assert.match(log(), /PORT must be a port number/);
});
