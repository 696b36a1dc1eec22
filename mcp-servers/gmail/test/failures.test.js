// What goes wrong outside, and what callers are told of it; the contract has what all services share.
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';

import { startStandIn } from '../../../tests/stand-ins/start.mjs';
import { fileScope } from '../../_shared/testing/service.js';
import { TOKENS, serviceFor } from './support.js';

const file = fileScope(after);
let gmail;
let service;
let call;

before(async () => {
  let as;
  ({ gmail, service, as } = await serviceFor(file));
  ({ call } = await as('alice'));
});
afterEach(() => gmail.recover());

const error = (code, reason, message = 'Said by Google') => ({
  error: { code, message, errors: [{ message, reason }] },
});

test('a 403 may be a rate limit: waited for when short, told when long', async () => {
  await gmail.fail({ kind: 'rate_limit', secondary: true, retry_after: 1 });
  assert.equal((await call('get_profile')).address, 'alice@gmail.example');
  await gmail.fail({ kind: 'rate_limit', secondary: true, retry_after: 60 });
  await assert.rejects(call('get_profile'), { code: 'rate_limited', retry_after_seconds: 60 });
  await gmail.fail({ kind: 'status', status: 403, body: error(403, 'dailyLimitExceeded') });
  await assert.rejects(call('get_profile'), { code: 'forbidden', message: /Said by Google.*tomorrow/ });
});

test('what Google says is said on, with what to do', async () => {
  const cases = [
    [
      403,
      'insufficientPermissions',
      { code: 'forbidden', message: /answered 403: Said by Google.*sign in again and allow/ },
    ],
    [403, 'accessNotConfigured', { code: 'forbidden', message: /Gmail API is off/ }],
    [400, 'failedPrecondition', { status: 400, message: /answered 400: Said by Google/ }],
    [503, 'backendError', { code: 'outside_failed', message: /Said by Google/ }],
  ];
  for (const [status, reason, expected] of cases) {
    await gmail.fail({ kind: 'status', status, body: error(status, reason), times: status === 503 ? 3 : 1 });
    await assert.rejects(call('get_profile'), expected);
  }
});

test('answers in another form are told as such, by every tool', async () => {
  const cases = [
    ['list_messages', {}, [null, [], { messages: 'x' }, { messages: [{}] }]],
    ['list_threads', {}, [{ threads: [{ no: 'id' }] }]],
    ['get_thread', { thread_id: 'x' }, [{ id: 'x' }, { id: 'x', messages: [] }, { id: 'x', messages: [{ id: 'y' }] }]],
    ['get_message', { message_id: 'x' }, [{}, { payload: {} }]],
    ['get_attachment', { message_id: 'x', part_id: '1' }, [{}, { payload: { parts: [null] } }]],
    ['list_labels', {}, [{}, { labels: [{}] }]],
    ['list_drafts', {}, [{ drafts: {} }]],
    ['update_draft', { draft_id: 'x' }, [{}]],
    ['reply', { message_id: 'x' }, [{}]],
    ['send_draft', { draft_id: 'x' }, [{}]],
    ['get_profile', {}, [{}, 'text']],
  ];
  for (const [tool, input, bodies] of cases) {
    for (const body of bodies) {
      await gmail.fail({ kind: 'body', body });
      await assert.rejects(call(tool, input), { code: 'outside_malformed' }, `${tool} ${JSON.stringify(body)}`);
      await gmail.recover();
    }
  }
});

test('a mail is not sent twice, unless Gmail refused it by a rate limit', async () => {
  const send = () => call('send_message', { to: ['a@example.com'], text: 'once' });
  const sent = async () => (await gmail.calls()).filter(({ path }) => path.endsWith('messages/send')).length;
  await gmail.fail({ kind: 'reset' });
  await assert.rejects(send(), { code: 'outside_unreachable' });
  await gmail.fail({ kind: 'status', status: 503 });
  await assert.rejects(send(), { code: 'outside_failed' });
  await gmail.fail({ kind: 'hang' });
  await assert.rejects(send(), { code: 'outside_timeout', message: /look before you repeat/ });
  assert.equal(await sent(), 3);
  await gmail.fail({ kind: 'rate_limit', retry_after: 1 });
  await send();
  assert.equal(await sent(), 5);
});

test('a sign-in that runs out is told; a fresh token of the same sign-in is taken', async (t) => {
  const oauth = await startStandIn(t, 'google-oauth', ['--auto', 'alice', '--tell', gmail.url]);
  const redirect_uri = 'http://127.0.0.1:1/';
  const client = { client_id: 'client', client_secret: 'secret' };
  const ask = new URLSearchParams({ ...client, redirect_uri, response_type: 'code', access_type: 'offline' });
  const { headers } = await fetch(`${oauth.url}/o/oauth2/v2/auth?${ask}`, { redirect: 'manual' });
  const code = new URL(headers.get('location')).searchParams.get('code');
  const token = async (body) =>
    (await fetch(`${oauth.url}/token`, { method: 'POST', body: new URLSearchParams({ ...client, ...body }) })).json();
  const first = await token({ grant_type: 'authorization_code', code, redirect_uri });
  const health = async ({ access_token }) =>
    (await service.instance({ credential: access_token }).request('GET', '/health')).body;
  assert.equal((await health(first)).account.address, 'alice@gmail.example');

  await gmail.setTokens({ [first.access_token]: { login: 'alice', state: 'expired' } });
  const { status, code: reason, detail } = await health(first);
  assert.deepEqual([status, reason], [424, 'credential_refused']);
  assert.match(detail, /Invalid|invalid authentication credentials.*sign in again/);
  const second = await token({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
  assert.equal((await health(second)).status, 'ok');
});

test('fifty mails at once of two users: no key crosses', async () => {
  await gmail.forget();
  const instances = Object.fromEntries(
    Object.entries(TOKENS).map(([login, credential]) => [login, service.instance({ credential })]),
  );
  const send = async (n) => {
    const login = n % 2 ? 'alice' : 'bob';
    const input = {
      name: 'send_message',
      arguments: { to: ['x@example.com'], subject: `${n} for:${login}`, text: 'x' },
    };
    const { body } = await instances[login].request('POST', '/mcp/call', input);
    assert.ok(!body.isError, body.content[0].text);
    assert.match(body.structuredContent.id, new RegExp(`^m${login}`));
  };
  await Promise.all(Array.from({ length: 50 }, (_, n) => send(n)));
  const calls = await gmail.calls();
  assert.equal(calls.length, 50);
  assert.ok(calls.every(({ token, login, status }) => token === TOKENS[login] && status === 200));
  // The stand-in would have noticed.
  await assert.rejects(call('send_message', { to: ['x@example.com'], subject: 'for:bob' }), /answered 418/);
});
