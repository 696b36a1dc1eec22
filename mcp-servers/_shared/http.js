// JSON in and out over node:http; refusals as problem+json (RFC 9457).
import { log } from './log.js';
import { Problem } from './problem.js';

/** Sends a value as JSON. */
export function sendJson(response, status, value, headers = {}) {
  const text = JSON.stringify(value);
  response
    .writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    })
    .end(text);
}

/** Answers a request that failed. What is not a Problem is our fault and told to the log alone. */
export function sendProblem(response, error, redact = (text) => text) {
  const problem = error instanceof Problem ? error : internal(error, redact);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const headers = { 'content-type': 'application/problem+json' };
  if (problem.retryAfterSeconds !== undefined) headers['retry-after'] = String(problem.retryAfterSeconds);
  // An unread body would otherwise be taken for the next request.
  if (problem.status === 413) headers.connection = 'close';
  sendJson(response, problem.status, describe(problem, redact), headers);
}

/** The problem as programs read it. */
export function describe(problem, redact = (text) => text) {
  const { status, code, message, retryAfterSeconds, details } = problem;
  return { status, code, detail: redact(message), retry_after_seconds: retryAfterSeconds, ...details };
}

/** What is told of an error that is not a Problem; the log has the rest. */
export function internal(error, redact = (text) => text) {
  log.error('request failed', { error: redact(error?.stack ?? String(error)) });
  return new Problem(500, 'the service failed: its log says why', { code: 'internal' });
}

/** The request's body as JSON; undefined when it is empty. Refuses one above `maxBytes`. */
export async function readJson(request, maxBytes) {
  const tooLarge = () => new Problem(413, `the body must have at most ${maxBytes} bytes`, { code: 'too_large' });
  if (Number(request.headers['content-length']) > maxBytes) throw tooLarge();
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Problem(400, 'the body is not JSON');
  }
}
