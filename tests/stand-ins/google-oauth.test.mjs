import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';

import { startStandIn } from './start.mjs';

const REDIRECT = 'http://127.0.0.1:1/callback';
const VERIFIER = 'v'.repeat(50);

async function serversFor(t, options = []) {
  const gmail = await startStandIn(t, 'gmail');
  const oauth = await startStandIn(t, 'google-oauth', ['--tell', gmail.url, ...options]);
  return { gmail, oauth };
}

async function consent(oauth, account, more = {}) {
  const parameters = {
    client_id: 'client',
    redirect_uri: REDIRECT,
    response_type: 'code',
    state: 's 1',
    scope: 'gmail',
    access_type: 'offline',
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  };
  const url = `${oauth.url}/o/oauth2/v2/auth`;
  const page = await (await fetch(`${url}?${new URLSearchParams(parameters)}`)).text();
  if (!page.includes('<form')) return page;
  const body = new URLSearchParams({ ...parameters, ...(account ? { account } : { deny: '1' }) });
  const { headers } = await fetch(url, { method: 'POST', body, redirect: 'manual' });
  return new URL(headers.get('location')).searchParams;
}

const token = (oauth, body) =>
  fetch(`${oauth.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'client', client_secret: 'secret', ...body }),
  });
const exchange = (oauth, code, more = {}) =>
  token(oauth, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: VERIFIER, ...more });
const refresh = (oauth, refresh_token) => token(oauth, { grant_type: 'refresh_token', refresh_token });
const profile = async (gmail, access) =>
  fetch(`${gmail.url}/gmail/v1/users/me/profile`, { headers: { authorization: `Bearer ${access}` } });

test('a consent opens one mailbox, is refreshed and ends by revocation', async (t) => {
  const { gmail, oauth } = await serversFor(t);
  const answer = await consent(oauth, 'alice');
  assert.equal(answer.get('state'), 's 1');
  const first = await (await exchange(oauth, answer.get('code'))).json();
  assert.equal((await (await profile(gmail, first.access_token)).json()).emailAddress, 'alice@gmail.example');
  const second = await (await refresh(oauth, first.refresh_token)).json();
  assert.notEqual(second.access_token, first.access_token);
  assert.equal((await profile(gmail, second.access_token)).status, 200);
  assert.equal(
    (await fetch(`${oauth.url}/revoke`, { method: 'POST', body: new URLSearchParams({ token: first.refresh_token }) }))
      .status,
    200,
  );
  assert.equal((await profile(gmail, second.access_token)).status, 401);
  assert.equal((await (await refresh(oauth, first.refresh_token)).json()).error, 'invalid_grant');
});

test('access tokens end by time', async (t) => {
  const { gmail, oauth } = await serversFor(t, ['--expires-in', '0']);
  const { access_token } = await (await exchange(oauth, (await consent(oauth, 'bob')).get('code'))).json();
  assert.equal((await profile(gmail, access_token)).status, 401);
});

test('codes are held to verifier, address, client and one use', async (t) => {
  const { oauth } = await serversFor(t);
  const code = async () => (await consent(oauth, 'alice')).get('code');
  const refused = async (response) => assert.equal((await (await response).json()).error, 'invalid_grant');
  await refused(exchange(oauth, await code(), { code_verifier: 'wrong' }));
  await refused(exchange(oauth, await code(), { redirect_uri: 'http://127.0.0.1:2/' }));
  const used = await code();
  assert.equal((await exchange(oauth, used)).status, 200);
  await refused(exchange(oauth, used));
  assert.equal((await exchange(oauth, await code(), { client_secret: 'wrong' })).status, 401);
});

test('refusals at the page', async (t) => {
  const { oauth } = await serversFor(t, ['--redirect', REDIRECT]);
  assert.equal((await consent(oauth)).get('error'), 'access_denied');
  assert.match(await consent(oauth, 'alice', { client_id: 'x' }), /invalid_client/);
  assert.match(await consent(oauth, 'alice', { redirect_uri: 'http://evil.example/' }), /redirect_uri_mismatch/);
  assert.match(await consent(oauth, 'alice', { code_challenge_method: 'plain' }), /code_challenge_method/);
});
