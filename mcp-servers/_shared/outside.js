// Calls of outside APIs: a `fetch` with a time-out, a bound on the answer, bounded retries that honour
// what a rate limit asks for, and no credential that follows a redirect to another host.
import { setTimeout as sleep } from 'node:timers/promises';

import { readBounded } from './body.js';
import { OutsideProblem, Problem } from './problem.js';
import { isRateLimited, waitAskedFor } from './ratelimit.js';

const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 307, 308]);
const DOT_SEGMENT = /(?:\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|$)/i;

/**
 * A `fetch(url, init)` for one outside service. Any status is returned, save a rate limit that may not
 * be waited for; what is no HTTP answer is thrown as a Problem.
 *
 * @param {object} options
 * @param {string} options.service display name of the outside service, for errors
 * @param {{timeoutMs: number, retries: number, maxWaitMs: number, maxResponseBytes: number}} options.settings
 * @param {(method: string, url: string) => boolean} [options.isSafe] whether a call may be made twice
 * @param {(response: Response, text: string) => boolean} [options.limited] whether a rate limit answered
 */
export function createFetch({ service, settings, isSafe = isReading, limited = isRateLimited }) {
  return async function fetchOutside(url, init = {}) {
    const address = String(url);
    if (DOT_SEGMENT.test(address.split(/[?#]/)[0])) throw new Problem(400, 'a name or path must not hold . or .. alone');
    const mayRepeat = isSafe((init.method ?? 'GET').toUpperCase(), address);
    for (let attempt = 0; ; attempt += 1) {
      const isLast = attempt >= settings.retries;
      const outcome = await once(address, init).catch((error) => {
        if (isLast || !mayRepeat || !error.isTransient) throw error;
        return undefined;
      });
      const waitMs = outcome ? waitAfter(outcome, { attempt, isLast, mayRepeat }) : backoff(attempt);
      if (waitMs === undefined) return outcome.response;
      await sleep(waitMs, undefined, { signal: init.signal }).catch(() => {
        throw cancelled();
      });
    }
  };

  /** Milliseconds before the next attempt; undefined when this answer is the last. */
  function waitAfter({ response, text }, { attempt, isLast, mayRepeat }) {
    if (limited(response, text)) {
      // Refused before it was looked at: may be repeated whatever it was.
      const waitMs = waitAskedFor(response) ?? backoff(attempt);
      if (!isLast && waitMs <= settings.maxWaitMs) return waitMs;
      throw new OutsideProblem(service, response.status, 'rate limit reached', {
        code: 'rate_limited',
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    }
    if (response.status < 500 || response.status === 501 || isLast || !mayRepeat) return undefined;
    const waitMs = waitAskedFor(response) ?? backoff(attempt);
    return waitMs <= settings.maxWaitMs ? waitMs : undefined;
  }

  async function once(address, init) {
    const timeout = AbortSignal.timeout(settings.timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    try {
      const response = await follow(address, { ...init, signal, redirect: 'manual' });
      const bytes = await readBounded(response, settings.maxResponseBytes, service);
      const text = isText(response) ? Buffer.from(bytes).toString('utf8') : '';
      if (response.ok) checkJson(response, text);
      return { response: withBody(response, bytes), text };
    } catch (error) {
      if (error instanceof Problem) throw error;
      if (timeout.aborted) throw timedOut();
      if (init.signal?.aborted) throw cancelled();
      throw unreachable(error.cause ?? error);
    }
  }

  /** Follows redirects of readings within the same origin alone. */
  async function follow(address, init) {
    for (let hops = 0; ; hops += 1) {
      const response = await fetch(address, init);
      if (!REDIRECTS.has(response.status)) return response;
      await response.body?.cancel();
      const next = new URL(response.headers.get('location') ?? '', address);
      const isReadingIt = isReading((init.method ?? 'GET').toUpperCase());
      if (hops >= MAX_REDIRECTS || !isReadingIt || next.origin !== new URL(address).origin) {
        throw new OutsideProblem(service, response.status, `it sends the call on to ${next.origin}`, {
          code: 'outside_failed',
          hint: 'Credentials are not sent along; use the new name of the resource.',
        });
      }
      address = next.href;
    }
  }

  function checkJson(response, text) {
    if (!response.headers.get('content-type')?.includes('json') || text === '') return;
    try {
      JSON.parse(text);
    } catch {
      throw new Problem(502, `${service} answered ${response.status} with JSON that is none. Try again later.`, {
        code: 'outside_malformed',
      });
    }
  }

  function timedOut() {
    const seconds = settings.timeoutMs / 1000;
    return new Problem(
      504,
      `${service} did not answer within ${seconds} s. It may have done what was asked: look before you repeat it.`,
      {
        code: 'outside_timeout',
      },
    );
  }

  function unreachable({ code, message }) {
    const problem = new Problem(502, `${service} cannot be reached (${code ?? message}). Try again later.`, {
      code: 'outside_unreachable',
    });
    problem.isTransient = true;
    return problem;
  }
}

function cancelled() {
  return new Problem(499, 'the caller went away', { code: 'cancelled' });
}

function isReading(method) {
  return method === 'GET' || method === 'HEAD';
}

function isText(response) {
  return /json|text|xml/.test(response.headers.get('content-type') ?? '');
}

function backoff(attempt) {
  return 250 * 2 ** attempt;
}

/** The same answer, read to its end and unpacked. */
function withBody(response, bytes) {
  const headers = new Headers(response.headers);
  headers.delete('content-encoding');
  headers.delete('content-length');
  const hasBody = bytes.length > 0 && ![204, 205, 304].includes(response.status);
  const read = new Response(hasBody ? bytes : null, { status: response.status, statusText: response.statusText, headers });
  Object.defineProperty(read, 'url', { value: response.url });
  return read;
}
