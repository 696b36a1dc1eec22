import { log } from '../utils/log.js';
import { Problem } from '../utils/problem.js';

/** Sends a value as JSON; nothing when it is undefined. */
export function sendJson(response, status, value) {
  const text = value === undefined ? '' : JSON.stringify(value);
  const headers = { 'content-length': Buffer.byteLength(text), 'x-content-type-options': 'nosniff' };
  if (text) headers['content-type'] = 'application/json';
  response.writeHead(status, headers).end(text);
}

/** Answers a request that failed. What is not a Problem is our fault and told to the log alone. */
export function sendError(response, error) {
  const known = error instanceof Problem;
  if (!known) log('request failed', { error: error?.stack ?? String(error) });
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = known ? error.status : 500;
  // An unread body would otherwise be taken for the next request.
  if (status === 413) response.setHeader('connection', 'close');
  sendJson(response, status, { error: known ? error.message : 'internal error' });
}
