// What goes wrong outside, and what callers are told of it.
import assert from 'node:assert/strict';
import test from 'node:test';

import { failure, slackFor, tokenOf } from './support.js';

/** Fast enough for tests: no wait above 1.5 s, no patience above 0.5 s. */
const HASTY = { OUTSIDE_TIMEOUT_MS: '500', OUTSIDE_MAX_WAIT_MS: '1500' };

test('a rate limit is waited for, when it is short', async (t) => {
  const { slack, connect } = await slackFor(t, HASTY);
  const { call } = await connect();
  await slack.fail({ kind: 'rate_limit', retry_after: 1, path: 'chat.postMessage' });
  const began = Date.now();
  await call('send_message', { channel: 'CALICE0', text: 'patient' });
  assert.ok(Date.now() - began >= 1000);
  assert.equal((await slack.calls()).filter(({ path }) => path.includes('postMessage')).length, 2);
});

test('a long rate limit is told to the caller at once', async (t) => {
  const { slack, instance, connect } = await slackFor(t, HASTY);
  const { call } = await connect();
  await slack.fail({ kind: 'rate_limit', retry_after: 30, times: 2 });
  const { code, retry_after_seconds, message } = await failure(call('list_users'));
  assert.deepEqual([code, retry_after_seconds], ['rate_limited', 30]);
  assert.match(message, /Slack answered 429.*Try again in 30 s/);
  const { status, headers } = await instance('alice').request('GET', '/api/users');
  assert.deepEqual([status, headers.get('retry-after')], [429, '30']);
});

test('expired, revoked, unknown and broken tokens say what to do', async (t) => {
  const { slack, service, connect } = await slackFor(t);
  const { call } = await connect();
  const refusal = async () => {
    const { code, status, message } = await failure(call('list_channels'));
    assert.deepEqual([code, status], ['credential_refused', 424]);
    return message;
  };
  await slack.setTokens({ [tokenOf('alice')]: { login: 'alice', state: 'expired' } });
  assert.match(await refusal(), /token_expired.*new one/);
  await slack.setTokens({ [tokenOf('alice')]: { login: 'alice', state: 'revoked' } });
  assert.match(await refusal(), /token_revoked.*install the app again/);
  await slack.setTokens({ [tokenOf('alice')]: { login: 'alice', state: 'valid' } });
  await call('list_channels');

  const callWith = async (credential) => {
    const { body } = await service.instance({ credential }).request('POST', '/mcp/call', { name: 'auth_info' });
    assert.equal(body.isError, true);
    return body.content[0].text;
  };
  assert.match(await callWith('xoxb-nobody'), /invalid_auth/);
  assert.match(await callWith('xoxb-a\r\nx-evil: 1'), /blanks or signs that no token has/);
  assert.match(await callWith(undefined), /has no credential/);
});

test('malformed, silent and failing answers are told apart', async (t) => {
  const { slack, connect } = await slackFor(t, HASTY);
  const { call } = await connect();
  const failing = async (fault, tool = 'list_users', input = {}) => {
    await slack.recover();
    await slack.fail(fault);
    return failure(call(tool, input));
  };
  assert.equal((await failing({ kind: 'malformed' })).code, 'outside_malformed');
  assert.equal((await failing({ kind: 'body', body: { ok: true, members: [{ no: 'id' }] } })).code, 'outside_malformed');
  const silent = await failing({ kind: 'hang' });
  assert.deepEqual([silent.code, silent.status], ['outside_timeout', 504]);
  const failed = await failing({ kind: 'status', status: 503, times: 3 });
  assert.deepEqual([failed.code, failed.status], ['outside_failed', 502]);
  assert.equal((await failing({ kind: 'body', body: { ok: false, error: 'fatal_error' } })).code, 'outside_failed');
  const scope = { ok: false, error: 'missing_scope', needed: 'users:read', provided: 'chat:write' };
  const lacking = await failing({ kind: 'body', body: scope });
  assert.equal(lacking.status, 403);
  assert.match(lacking.message, /needs the scope users:read; the token has chat:write/);
});

test('readings are tried again, messages are not', async (t) => {
  const { slack, connect } = await slackFor(t, HASTY);
  const { call } = await connect();
  await slack.fail({ kind: 'reset' });
  assert.equal((await call('list_users')).users.length, 12);
  await slack.fail({ kind: 'reset' });
  assert.equal((await failure(call('send_message', { channel: 'CALICE0', text: 'once' }))).code, 'outside_unreachable');
});

test('what does not exist or fit is named', async (t) => {
  const { call } = await (await slackFor(t)).connect();
  const cases = [
    ['get_channel', { channel: 'CNONE' }, 'not_found', /channel_not_found/],
    ['get_user', { user: 'UNONE' }, 'not_found', /user_not_found/],
    ['get_user', { user: 'no@body.example' }, 'not_found', /users_not_found/],
    ['read_file', { file: 'FNONE' }, 'not_found', /file_not_found/],
    ['send_message', { channel: 'CALICEOLD', text: 'x' }, 'conflict', /is_archived.*unarchive/],
    ['list_channels', { cursor: 'mine' }, 'outside_refused', /invalid_cursor.*without a cursor/],
    ['delete_message', { channel: 'CALICE0', ts: '1.1' }, 'not_found', /message_not_found/],
    ['send_message', { channel: 'CALICE0' }, 'bad_arguments', /send_message: text/],
    ['list_users', { limit: 1000 }, 'bad_arguments', /limit/],
    ['list_users', { extra: 1 }, 'bad_arguments', /extra/],
    ['add_reaction', { channel: 'CALICE0', ts: '1.1', name: 'a b' }, 'bad_arguments', /emoji/],
  ];
  for (const [tool, input, code, reason] of cases) {
    const error = await failure(call(tool, input));
    assert.equal(error.code, code, `${tool}: ${error.message}`);
    assert.match(error.message, reason);
  }
});

test('a token goes to no host but Slack, and a file that may not be seen is none', async (t) => {
  const { slack, connect } = await slackFor(t);
  const { call } = await connect();
  const info = (url) => ({ ok: true, file: { id: 'F1', name: 'x.txt', mimetype: 'text/plain', size: 1, url_private: url } });
  for (const url of ['https://evil.example/x', 'https://evilslack.com/x', 'http://files.slack.com/x', 'nonsense']) {
    await slack.fail({ kind: 'body', body: info(url), path: 'files.info' });
    assert.equal((await failure(call('read_file', { file: 'F1' }))).code, 'not_in_slack', url);
  }
  await slack.fail({ kind: 'body', body: info(`${slack.url}/files-pri/TBOB-FBOB0/notes.txt`), path: 'files.info' });
  assert.match((await failure(call('read_file', { file: 'F1' }))).message, /files:read/);
});
