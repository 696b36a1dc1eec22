// Google's authorization server: /o/oauth2/v2/auth, /token, /revoke. Run it:
// node index.js --client id=secret --account alice --expires-in 5 --tell <origin of the Gmail stand-in>
import { runAsProgram } from '../common/program.js';
import { startStandIn } from '../common/server.js';
import { Grants } from './grants.js';
import { consentPage, errorPage } from './pages.js';

/**
 * `clients` maps client ids to secrets, `accounts` are those that the page offers, `redirects` the addresses that
 * codes may go to (any when empty), `auto` an account that consents without being asked.
 */
export async function startGoogleOauth(options = {}) {
  const settings = {
    clients: { client: 'secret' },
    accounts: ['alice', 'bob'],
    redirects: [],
    ...options,
    grants: new Grants({ expiresIn: options.expiresIn, tell: options.tell && teller(options.tell) }),
  };
  const api = {
    name: 'google-oauth',
    prefix: '',
    open: ['/'],
    answer: (request) => answer(settings, request),
    rateLimited: (seconds) => refuse(429, 'rate_limit_exceeded', 'Rate Limit Exceeded', { 'retry-after': String(seconds) }),
  };
  return { ...(await startStandIn(api, options)), grants: settings.grants };
}

const teller = (origin) => (token, rest) =>
  fetch(`${origin}/_control/tokens`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, ...rest }),
  });

async function answer(settings, request) {
  switch (`${request.method} ${request.path}`) {
    case 'GET /o/oauth2/v2/auth':
      return authorize(settings, Object.fromEntries(request.query));
    case 'POST /o/oauth2/v2/auth':
      return decide(settings, request.body);
    case 'POST /token':
      return token(settings, request);
    case 'POST /revoke': {
      const isKnown = await settings.grants.revoke(request.body.token ?? request.query.get('token'));
      return isKnown ? { body: {} } : refuse(400, 'invalid_token', 'Token expired or revoked');
    }
    default:
      return { status: 404, body: 'Not Found' };
  }
}

function authorize(settings, parameters) {
  const wrong = wrongWith(settings, parameters);
  if (wrong) return errorPage(wrong);
  if (settings.auto) return decide(settings, { ...parameters, account: settings.auto });
  return consentPage(parameters, settings.accounts);
}

function decide(settings, { account, deny, ...parameters }) {
  const wrong = wrongWith(settings, parameters);
  if (wrong) return errorPage(wrong);
  const target = new URL(parameters.redirect_uri);
  if (parameters.state !== undefined) target.searchParams.set('state', parameters.state);
  if (deny || !account) target.searchParams.set('error', 'access_denied');
  else target.searchParams.set('code', settings.grants.consent({ ...parameters, account }));
  return { status: 302, headers: { location: target.href } };
}

function wrongWith({ clients, redirects }, parameters) {
  if (!Object.hasOwn(clients, parameters.client_id ?? '')) return 'invalid_client';
  if (!URL.canParse(parameters.redirect_uri ?? '')) return 'invalid_request: redirect_uri';
  if (redirects.length > 0 && !redirects.includes(parameters.redirect_uri)) return 'redirect_uri_mismatch';
  if (parameters.response_type !== 'code') return 'unsupported_response_type';
  if (parameters.code_challenge && parameters.code_challenge_method !== 'S256') return 'invalid_request: code_challenge_method';
  return undefined;
}

async function token({ clients, grants }, { body, headers }) {
  const [id, secret] = basic(headers.authorization) ?? [body.client_id, body.client_secret];
  if (!Object.hasOwn(clients, id ?? '') || clients[id] !== secret) return refuse(401, 'invalid_client', 'The OAuth client was not found.');
  const input = { ...body, client_id: id };
  switch (body.grant_type) {
    case 'authorization_code':
      return (await tokens(grants.exchange(input))) ?? refuse(400, 'invalid_grant', 'Bad Request');
    case 'refresh_token':
      return (await tokens(grants.refresh(input))) ?? refuse(400, 'invalid_grant', 'Token has been expired or revoked.');
    default:
      return refuse(400, 'unsupported_grant_type', `Invalid grant_type: ${body.grant_type}`);
  }
}

async function tokens(issued) {
  const body = await issued;
  return body && { headers: { 'cache-control': 'no-store' }, body };
}

function basic(authorization) {
  const found = /^Basic (.+)$/i.exec(authorization ?? '');
  return found && Buffer.from(found[1], 'base64').toString().split(':').map(decodeURIComponent);
}

function refuse(status, error, error_description, headers) {
  return { status, headers, body: { error, error_description } };
}

await runAsProgram(
  import.meta,
  ({ client, account, auto, tell, redirect, 'expires-in': expiresIn, port }) =>
    startGoogleOauth({
      port,
      auto,
      tell,
      redirects: redirect,
      ...(expiresIn && { expiresIn: Number(expiresIn) }),
      ...(account.length > 0 && { accounts: account }),
      ...(client.length > 0 && { clients: Object.fromEntries(client.map((pair) => pair.split('='))) }),
    }),
  {
    client: { type: 'string', multiple: true, default: [] },
    account: { type: 'string', multiple: true, default: [] },
    redirect: { type: 'string', multiple: true, default: [] },
    auto: { type: 'string' },
    tell: { type: 'string' },
    'expires-in': { type: 'string' },
  },
);
