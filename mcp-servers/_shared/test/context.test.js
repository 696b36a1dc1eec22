import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';

import { readContext } from '../context.js';

const ID = '550e8400-e29b-41d4-a716-446655440000';
const encode = (text) => Buffer.from(text).toString('base64url');
const headers = (more) => ({ 'x-berth-gateway': 'secret', 'x-berth-instance': ID, ...more });

test('a context holds what came with the request, and shows no credential', () => {
  const given = headers({ 'x-berth-credential': encode('tökén'), 'x-berth-config': encode('{"team":1}') });
  const context = readContext(given, ID, 'secret');
  assert.deepEqual([context.instanceId, context.credential, context.config], [ID, 'tökén', { team: 1 }]);
  assert.ok(!inspect(context, { showHidden: true, depth: 9 }).includes('tökén'));
  assert.ok(!JSON.stringify(context).includes('tökén'));
  assert.equal(context.redact('bad token tökén'), 'bad token [credential]');
  assert.throws(() => (context.config.team = 2));
  const { signal } = new AbortController();
  assert.deepEqual([context.withSignal(signal).credential, context.withSignal(signal).signal], ['tökén', signal]);
});

test('a context without a credential says so when it is asked for', () => {
  assert.throws(() => readContext(headers(), ID, 'secret').credential, { code: 'credential_missing' });
});

test('refusals', () => {
  const cases = [
    [{ 'x-berth-gateway': 'secreT' }, 'secret', 403],
    [{ 'x-berth-gateway': undefined }, 'secret', 403],
    [{}, undefined, 403],
    [{ 'x-berth-gateway': '' }, '', 403],
    [{ 'x-berth-instance': undefined }, 'secret', 400],
    [{ 'x-berth-instance': ID.toUpperCase() }, 'secret', 400],
    [{ 'x-berth-credential': 'a+b/' }, 'secret', 400],
    [{ 'x-berth-credential': 'YQ==' }, 'secret', 400],
    [{ 'x-berth-config': encode('null') }, 'secret', 400],
    [{ 'x-berth-config': encode('{') }, 'secret', 400],
  ];
  for (const [more, secret, status] of cases) {
    assert.throws(() => readContext(headers(more), ID, secret), { status }, JSON.stringify(more));
  }
});
