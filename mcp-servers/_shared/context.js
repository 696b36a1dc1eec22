// Who a request is for. Made anew for each request and handed on by argument: nothing of it is kept,
// and printing or serializing it shows no credential.
import { createHash, timingSafeEqual } from 'node:crypto';

import { Problem } from './problem.js';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export class RequestContext {
  #credential;

  constructor({ instanceId, credential, config = {}, signal }) {
    this.instanceId = instanceId;
    this.config = config;
    /** Aborted when the caller went away. */
    this.signal = signal;
    this.#credential = credential;
    Object.freeze(this);
  }

  /** The instance's credential; a Problem when it has none. */
  get credential() {
    if (this.#credential === undefined) {
      throw new Problem(424, 'this instance has no credential: add one to it, then try again', {
        code: 'credential_missing',
      });
    }
    return this.#credential;
  }

  /** The credential as a header can carry it: visible ASCII without blanks; a Problem when it is anything else. */
  get token() {
    const token = this.credential.trim();
    if (/^[\x21-\x7e]+$/.test(token)) return token;
    throw new Problem(424, 'the credential of this instance holds blanks or signs that no token has: give it a new one', {
      code: 'credential_refused',
    });
  }

  /** The same request with another signal. */
  withSignal(signal) {
    return new RequestContext({ instanceId: this.instanceId, config: this.config, credential: this.#credential, signal });
  }

  /** The text without the credential, should the outside have echoed it. */
  redact(text) {
    const secret = this.#credential?.trim();
    return secret ? text.replaceAll(secret, '[credential]') : text;
  }
}

export const isInstanceId = (text) => UUID.test(text);

/**
 * Lets only the gateway through: its secret, the instance's id twice, and what it sends with them.
 * Refusals tell nothing about what was expected.
 */
export function readContext(headers, instanceId, gatewaySecret, signal) {
  if (!gatewaySecret || !isSame(headers['x-berth-gateway'] ?? '', gatewaySecret)) {
    throw new Problem(403, 'only the gateway may ask for this', { code: 'forbidden' });
  }
  if (headers['x-berth-instance'] !== instanceId) {
    throw new Problem(400, 'X-Berth-Instance must be the instance of the path', { code: 'instance_mismatch' });
  }
  const credential = decode(headers, 'x-berth-credential') || undefined;
  return new RequestContext({ instanceId, credential, config: readConfig(headers), signal });
}

function readConfig(headers) {
  const text = decode(headers, 'x-berth-config');
  if (text === undefined) return {};
  const value = parse(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Problem(400, 'X-Berth-Config must be a JSON object, base64url', { code: 'bad_header' });
  }
  return Object.freeze(value);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function decode(headers, name) {
  const text = headers[name];
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw new Problem(400, `${name} must be base64url`, { code: 'bad_header' });
  return bytes.toString('utf8');
}

/** Takes the same time wherever the texts differ. */
function isSame(given, expected) {
  const digest = (text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
