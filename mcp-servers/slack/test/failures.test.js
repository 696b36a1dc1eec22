// What goes wrong outside, and what callers are told of it.
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { TOKENS, serviceFor } from './support.js';

const file = fileScope(after);
let slack;
let service;
let call;

before(async () => {
  let connect;
  ({ slack, service, connect } = await serviceFor(file));
  ({ call } = await connect());
});
afterEach(() => slack.recover());

test('expired, revoked, unknown and broken tokens say what to do', async () => {
  const state = (state) => slack.setTokens({ [TOKENS.alice]: { login: 'alice', state } });
  const refused = { code: 'credential_refused', status: 424 };
  await state('expired');
  await assert.rejects(call('list_channels'), { ...refused, message: /token_expired.*new one/ });
  await state('revoked');
  await assert.rejects(call('list_channels'), { ...refused, message: /token_revoked.*install the app again/ });
  await state('valid');
  await call('list_channels');

  const callWith = async (credential) => {
    const { body } = await service.instance({ credential }).request('POST', '/mcp/call', { name: 'auth_info' });
    assert.equal(body.isError, true);
    return body.content[0].text;
  };
  assert.match(await callWith('xoxb-nobody'), /invalid_auth/);
  assert.match(await callWith('xoxb-a\r\nx-evil: 1'), /blanks or signs that no token has/);
});

test('what Slack says in a body of its own is told apart', async () => {
  const cases = [
    [{ ok: true, members: [{ no: 'id' }] }, { code: 'outside_malformed' }],
    [{ ok: true }, { code: 'outside_malformed', message: /without members/ }],
    [{ ok: true, members: [null] }, { code: 'outside_malformed' }],
    ['no object', { code: 'outside_malformed' }],
    [
      { ok: false, error: 'fatal_error' },
      { code: 'outside_failed', status: 502 },
    ],
    [
      { ok: false, error: 'ratelimited' },
      { code: 'rate_limited', status: 429 },
    ],
    [
      { ok: false, error: 'some_new_word' },
      { code: 'outside_refused', status: 400, message: /refused: some_new_word/ },
    ],
    [
      { ok: false, error: 'missing_scope', needed: 'users:read', provided: 'chat:write' },
      { code: 'forbidden', message: /needs the scope users:read; the token has chat:write/ },
    ],
  ];
  for (const [body, expected] of cases) {
    await slack.fail({ kind: 'body', body });
    await assert.rejects(call('list_users'), expected);
  }
});

test('messages are not sent twice, unless Slack refused them by a rate limit', async () => {
  const send = () => call('send_message', { channel: 'CALICE0', text: 'once' });
  const sent = async () => (await slack.calls()).filter(({ path }) => path.includes('postMessage')).length;
  await slack.fail({ kind: 'reset' });
  await assert.rejects(send(), { code: 'outside_unreachable' });
  await slack.fail({ kind: 'status', status: 503 });
  await assert.rejects(send(), { code: 'outside_failed' });
  await slack.fail({ kind: 'hang' });
  await assert.rejects(send(), { code: 'outside_timeout', message: /look before you repeat/ });
  assert.equal(await sent(), 3);
  await slack.fail({ kind: 'rate_limit', retry_after: 1 });
  await send();
  assert.equal(await sent(), 5);
});

test('what does not exist or fit is named', async () => {
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
    await assert.rejects(call(tool, input), { code, message: reason }, tool);
  }
});

test('a token goes to no host but Slack, and a file that may not be seen is none', async () => {
  const info = (url) => ({
    ok: true,
    file: { id: 'F1', name: 'x.txt', mimetype: 'text/plain', size: 1, url_private: url },
  });
  for (const url of ['https://evil.example/x', 'https://evilslack.com/x', 'http://files.slack.com/x', 'nonsense']) {
    await slack.fail({ kind: 'body', body: info(url), path: 'files.info' });
    await assert.rejects(call('read_file', { file: 'F1' }), { code: 'not_in_slack' }, url);
  }
  await slack.fail({ kind: 'body', body: info(`${slack.url}/files-pri/TBOB-FBOB0/notes.txt`), path: 'files.info' });
  await assert.rejects(call('read_file', { file: 'F1' }), { code: 'forbidden', message: /files:read/ });
});
