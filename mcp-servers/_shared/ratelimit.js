/** Whether a rate limit answered: 429, or 403 with the signs of one (GitHub). */
export function isRateLimited(response) {
  const { status, headers } = response;
  return status === 429 || (status === 403 && (headers.has('retry-after') || headers.get('x-ratelimit-remaining') === '0'));
}

/** Milliseconds that the answer asks to wait: `Retry-After` (seconds or a date), else `X-RateLimit-Reset`. */
export function waitAskedFor({ headers }) {
  const after = headers.get('retry-after');
  if (after !== null) {
    const ms = /^\d+(\.\d+)?$/.test(after.trim()) ? Number(after) * 1000 : Date.parse(after) - Date.now();
    if (!Number.isNaN(ms)) return Math.max(0, ms);
  }
  const reset = Number(headers.get('x-ratelimit-reset'));
  return reset > 0 ? Math.max(0, reset * 1000 - Date.now()) : undefined;
}
