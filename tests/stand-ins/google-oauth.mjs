// A stand-in of Google's authorization server: /o/oauth2/v2/auth, /token, /revoke; PKCE S256.
//
//   node google-oauth.mjs --client ID=SECRET --account alice --expires-in 5 --tell URL
//
// `--account` (any number): who can be chosen on the page; `--auto LOGIN` consents without a page;
// `--redirect URL` (any number): where codes may go, anywhere when absent; `--tell URL`: the stand-in of
// an API that takes the access tokens. Nobody signs in to it, so faults and calls name `anonymous`.
import { parseArgs } from 'node:util';

import { createFront, listen } from './front.mjs';
import { Grants } from './google-oauth/grants.mjs';
import { consentPage, errorPage } from './google-oauth/pages.mjs';

const many = (fallback) => ({ type: 'string', multiple: true, default: fallback });
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    client: many(['client=secret']),
    account: many(['alice', 'bob']),
    redirect: many([]),
    auto: { type: 'string' },
    tell: { type: 'string' },
    'expires-in': { type: 'string', default: '3600' },
  },
});
const clients = Object.fromEntries(values.client.map((pair) => pair.split(/=(.*)/s)));
const grants = new Grants({
  expiresIn: Number(values['expires-in']),
  tell: values.tell ? teller(values.tell) : undefined,
});

const front = createFront(
  {
    tokenOf: () => 'anonymous',
    refusal: () => refuse(500, 'server_error', 'nobody signs in here'),
    rateLimit: ({ retry_after: seconds }) =>
      refuse(429, 'rate_limit_exceeded', 'Rate Limit Exceeded', { 'retry-after': String(seconds) }),
    answer,
  },
  { anonymous: { login: 'anonymous' } },
);
listen(front, Number(values.port));

function teller(url) {
  return async (token, user) => {
    await fetch(`${url}/_control/tokens`, { method: 'PUT', body: JSON.stringify({ [token]: user }) });
  };
}

async function answer({ request, url, body }) {
  const query = Object.fromEntries(url.searchParams);
  const form = Object.fromEntries(new URLSearchParams(body.toString()));
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /o/oauth2/v2/auth':
      return authorize(query);
    case 'POST /o/oauth2/v2/auth':
      return decide(form);
    case 'POST /token':
      return token(form, request.headers.authorization);
    case 'POST /revoke': {
      const isKnown = await grants.revoke(form.token ?? query.token);
      return isKnown ? { status: 200, body: {} } : refuse(400, 'invalid_token', 'Token expired or revoked');
    }
    default:
      return { status: 404, body: {} };
  }
}

function authorize(parameters) {
  const wrong = wrongWith(parameters);
  if (wrong) return errorPage(wrong);
  if (values.auto) return decide({ ...parameters, account: values.auto });
  return consentPage(parameters, values.account);
}

function decide({ account, deny, ...parameters }) {
  const wrong = wrongWith(parameters);
  if (wrong) return errorPage(wrong);
  const target = new URL(parameters.redirect_uri);
  if (parameters.state !== undefined) target.searchParams.set('state', parameters.state);
  if (deny || !account) target.searchParams.set('error', 'access_denied');
  else target.searchParams.set('code', grants.consent({ ...parameters, account }));
  return { status: 302, headers: { location: target.href }, body: {} };
}

function wrongWith(parameters) {
  if (!Object.hasOwn(clients, parameters.client_id ?? '')) return 'invalid_client';
  if (!URL.canParse(parameters.redirect_uri ?? '')) return 'invalid_request: redirect_uri';
  if (values.redirect.length > 0 && !values.redirect.includes(parameters.redirect_uri)) return 'redirect_uri_mismatch';
  if (parameters.response_type !== 'code') return 'unsupported_response_type';
  if (parameters.code_challenge && parameters.code_challenge_method !== 'S256')
    return 'invalid_request: code_challenge_method';
  return undefined;
}

async function token(form, authorization) {
  const [id, secret] = basic(authorization) ?? [form.client_id, form.client_secret];
  const isClient = Object.hasOwn(clients, id ?? '') && clients[id] === secret;
  if (!isClient) return refuse(401, 'invalid_client', 'The OAuth client was not found.');
  const input = { ...form, client_id: id };
  switch (form.grant_type) {
    case 'authorization_code':
      return (await tokens(grants.exchange(input))) ?? refuse(400, 'invalid_grant', 'Bad Request');
    case 'refresh_token':
      return (
        (await tokens(grants.refresh(input))) ?? refuse(400, 'invalid_grant', 'Token has been expired or revoked.')
      );
    default:
      return refuse(400, 'unsupported_grant_type', `Invalid grant_type: ${form.grant_type}`);
  }
}

async function tokens(issued) {
  const body = await issued;
  return body && { status: 200, headers: { 'cache-control': 'no-store' }, body };
}

function basic(authorization) {
  const found = /^Basic (.+)$/i.exec(authorization ?? '');
  return found && Buffer.from(found[1], 'base64').toString().split(':').map(decodeURIComponent);
}

function refuse(status, error, error_description, headers) {
  return { status, headers, body: { error, error_description } };
}
