// The Gmail API over plain HTTP. Google's own client would bring fifty packages, 16 MB of memory and
// habits that a process of many users must not have: it looks for credentials of its own in the
// environment and at the metadata server. What is used of the API fits on this page.
import { createFetch } from '../../_shared/outside.js';
import { isRateLimited } from '../../_shared/ratelimit.js';
import { LIMIT_REASONS, malformed, parse, toProblem } from '../middleware/errors.js';

/** Calls that change nothing more when they are made again. */
const REPEATABLE = /\/(trash|untrash|modify)$/;

const isSafe = (method, url) => method === 'GET' || method === 'PUT' || (method === 'POST' && REPEATABLE.test(url));
const limited = (response, text) => isRateLimited(response) || (response.status === 403 && LIMIT_REASONS.test(text));

/**
 * `(context) => ({ get(path, query), post(path, body), put(path, body), delete(path) })`: paths below the
 * mailbox of the credential's owner; the answer's JSON. All throw Problems.
 */
export function createConnect({ apiUrl, outside }) {
  const fetchOutside = createFetch({ service: 'Gmail', settings: outside, isSafe, limited });

  return function connect({ token, signal }) {
    async function call(method, path, { query, body } = {}) {
      const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
      if (body !== undefined) headers['content-type'] = 'application/json';
      const init = { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) };
      const response = await fetchOutside(`${apiUrl}/gmail/v1/users/me/${path}${queryOf(query)}`, init);
      const text = await response.text();
      if (!response.ok) throw toProblem(response, text);
      return text === '' ? {} : objectOf(text);
    }
    return {
      get: (path, query) => call('GET', path, { query }),
      post: (path, body = {}) => call('POST', path, { body }),
      put: (path, body) => call('PUT', path, { body }),
      delete: (path) => call('DELETE', path),
    };
  };
}

function objectOf(text) {
  const value = parse(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw malformed('an object');
  return value;
}

/** Lists become repeated parameters; what is undefined is left out. */
function queryOf(query = {}) {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const text = new URLSearchParams(pairs.filter(([, value]) => value !== undefined)).toString();
  return text && `?${text}`;
}
