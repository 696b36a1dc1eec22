// One process, many users: whose key goes out with what is sent.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { TOKENS, serviceFor } from './support.js';

const file = fileScope(after);
let slack;
let clients;

before(async () => {
  let connect;
  ({ slack, connect } = await serviceFor(file));
  clients = { alice: await connect(TOKENS.alice), bob: await connect(TOKENS.bob) };
});

test('fifty calls at once of two users: no key crosses', async () => {
  await slack.forget();
  const channel = (login) => `C${login.toUpperCase()}1`;
  const loginOf = (n) => (n % 2 ? 'alice' : 'bob');
  const send = (n) =>
    clients[loginOf(n)].call('send_message', { channel: channel(loginOf(n)), text: `${n} for:${loginOf(n)}` });
  await Promise.all(Array.from({ length: 50 }, (_, n) => send(n)));

  const calls = await slack.calls();
  assert.equal(calls.length, 50);
  assert.ok(calls.every(({ token, login, status }) => token === TOKENS[login] && status === 200));
  for (const [login, first] of [
    ['alice', 1],
    ['bob', 0],
  ]) {
    const { messages } = await clients[login].call('read_channel_history', { channel: channel(login) });
    const expected = Array.from({ length: 25 }, (_, n) => `${2 * n + first} for:${login}`);
    assert.deepEqual(messages.map(({ text }) => text).sort(), expected.sort());
  }
  // The stand-in would have noticed.
  await assert.rejects(
    clients.bob.call('send_message', { channel: channel('bob'), text: 'for:alice' }),
    /answered 418/,
  );
});

test('one user’s broken token is no matter of the other', async () => {
  await slack.fail({ kind: 'rate_limit', retry_after: 60, token: TOKENS.alice, times: 5 });
  await assert.rejects(clients.alice.call('list_users'), /rate limit/);
  assert.equal((await clients.bob.call('list_users')).users.length, 12);
});
