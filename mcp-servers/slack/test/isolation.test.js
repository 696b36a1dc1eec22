// One process, many users: who may ask, and whose key goes out.
import assert from 'node:assert/strict';
import test from 'node:test';

import { slackFor, tokenOf } from './support.js';

test('only the gateway is let in', async (t) => {
  const { service, instance } = await slackFor(t);
  const ours = instance('alice');
  const asked = (headers, path = '/mcp/tools') => ours.request('GET', path, undefined, headers).then(({ status }) => status);
  assert.equal(await asked({}), 200);
  for (const path of ['/mcp/tools', '/health', '/mcp', '/api/users']) {
    assert.equal(await asked({ 'x-berth-gateway': 'wrong' }, path), 403);
    assert.equal(await asked({ 'x-berth-gateway': '' }, path), 403);
  }
  assert.equal(await asked({ 'x-berth-instance': instance('bob').id }), 400);
  const health = await fetch(`${service.url}/health`);
  assert.deepEqual([health.status, (await health.json()).service], [200, 'slack']);
});

test('tools are listed without a credential, and health tells whether it is taken', async (t) => {
  const { slack, instance } = await slackFor(t);
  const { body } = await instance(undefined).request('GET', '/mcp/tools');
  assert.equal(body.tools.length, 16);
  assert.equal((await instance(undefined).request('GET', '/health')).status, 424);
  const healthy = await instance('bob').request('GET', '/health');
  assert.deepEqual([healthy.status, healthy.body.account.workspace], [200, 'Team bob']);
  await slack.setTokens({ [tokenOf('bob')]: { login: 'bob', state: 'revoked' } });
  assert.equal((await instance('bob').request('GET', '/health')).status, 424);
});

test('fifty calls at once of two users: no key crosses', async (t) => {
  const { slack, service, connect } = await slackFor(t);
  const clients = { alice: await connect('alice'), bob: await connect('bob') };
  await slack.forget();
  const channel = (login) => `C${login.toUpperCase()}1`;
  const loginOf = (n) => (n % 2 ? 'alice' : 'bob');
  const send = (n) => clients[loginOf(n)].call('send_message', { channel: channel(loginOf(n)), text: `${n} for:${loginOf(n)}` });
  await Promise.all(Array.from({ length: 50 }, (_, n) => send(n)));

  const calls = await slack.calls();
  assert.equal(calls.length, 50);
  assert.ok(calls.every(({ token, login, status }) => token === tokenOf(login) && status === 200));
  for (const [login, first] of [['alice', 1], ['bob', 0]]) {
    const { messages } = await clients[login].call('read_channel_history', { channel: channel(login) });
    const expected = Array.from({ length: 25 }, (_, n) => `${2 * n + first} for:${login}`);
    assert.deepEqual(messages.map(({ text }) => text).sort(), expected.sort());
  }
  // The stand-in would have noticed.
  await assert.rejects(clients.bob.call('send_message', { channel: channel('bob'), text: 'for:alice' }), /answered 418/);
  assert.ok(!service.log().includes('xoxb-'), 'no token in the log');
});

test('one user’s broken token is no matter of the other', async (t) => {
  const { slack, connect } = await slackFor(t);
  const [alice, bob] = [await connect('alice'), await connect('bob')];
  await slack.fail({ kind: 'rate_limit', retry_after: 60, token: tokenOf('alice'), times: 5 });
  await assert.rejects(alice.call('list_users'), /rate limit/);
  assert.equal((await bob.call('list_users')).users.length, 12);
});

test('REST does what the tools do', async (t) => {
  const { instance } = await slackFor(t);
  const { request } = instance('alice', 'xoxp');
  const ok = async (method, path, body) => {
    const answer = await request(method, `/api${path}`, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  assert.equal((await ok('GET', '/channels?kinds=public,private&limit=100')).channels.length, 11);
  const { ts } = await ok('POST', '/channels/CALICE1/messages', { text: 'by REST' });
  await ok('PATCH', `/channels/CALICE1/messages/${ts}`, { text: 'changed' });
  await ok('POST', `/channels/CALICE1/messages/${ts}/reactions`, { name: 'eyes' });
  assert.equal((await ok('GET', `/channels/CALICE1/messages/${ts}/replies`)).messages[0].text, 'changed');
  assert.equal((await ok('GET', '/channels/CALICE1/messages')).messages[0].reactions[0].name, 'eyes');
  await ok('DELETE', `/channels/CALICE1/messages/${ts}/reactions/eyes`);
  await ok('DELETE', `/channels/CALICE1/messages/${ts}`);
  assert.equal((await ok('GET', '/channels/CALICE1')).name, 'random');
  const person = await ok('GET', '/users/owner@alice.example');
  assert.equal((await ok('POST', '/direct-messages', { users: [person.id] })).was_open, false);
  assert.equal((await ok('GET', '/users')).users.length, 12);
  assert.equal((await ok('GET', '/search/messages?query=question')).total, 1);
  const { files } = await ok('GET', '/files');
  assert.match((await ok('GET', `/files/${files[0].id}`)).text, /notes of alice/);
  assert.equal((await ok('GET', '/account')).workspace, 'Team alice');
  assert.equal((await request('GET', '/api/nothing')).status, 404);
});
