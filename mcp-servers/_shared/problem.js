/** A refusal that the caller can understand: an HTTP status, a code for programs and a sentence for people. */
export class Problem extends Error {
  /**
   * @param {number} status HTTP status of the answer
   * @param {string} message what failed and what to do next; never holds a secret
   * @param {{code?: string, retryAfterSeconds?: number, details?: object}} [more]
   */
  constructor(status, message, { code = 'bad_request', retryAfterSeconds, details } = {}) {
    super(message);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
    this.details = details;
  }
}

const HINTS = {
  credential_refused: 'The credential is wrong, expired or revoked: give this instance a new one.',
  forbidden: 'The credential lacks a permission for this: check its scopes, and who may see the resource.',
  not_found: 'Check names and ids; what the credential may not see looks as if it did not exist.',
  rate_limited: 'Too many calls with this credential: wait before the next one.',
  outside_failed: 'The fault is on their side: try again later.',
};

/** What the outside API answered, as a Problem: its own words, its status, what to do next. */
export class OutsideProblem extends Problem {
  /**
   * @param {string} service display name of the outside service
   * @param {number} outsideStatus the status it answered; below 300 where the body holds the refusal
   * @param {string} said its own words
   * @param {{code?: string, hint?: string, retryAfterSeconds?: number}} [more] what the service knows better
   */
  constructor(service, outsideStatus, said, { code = codeOf(outsideStatus), hint = HINTS[code], retryAfterSeconds } = {}) {
    const wait = retryAfterSeconds === undefined ? '' : ` Try again in ${retryAfterSeconds} s.`;
    const words = said.trim().replace(/\.$/, '') || 'no reason given';
    const verdict = outsideStatus < 300 ? 'refused' : `answered ${outsideStatus}`;
    super(statusOf(code, outsideStatus), `${service} ${verdict}: ${words}.${hint ? ` ${hint}` : ''}${wait}`, {
      code,
      retryAfterSeconds,
      details: { outside_status: outsideStatus },
    });
    this.name = 'OutsideProblem';
    this.outsideStatus = outsideStatus;
    this.said = said;
  }
}

function codeOf(status) {
  const known = { 401: 'credential_refused', 403: 'forbidden', 404: 'not_found', 409: 'conflict', 429: 'rate_limited' };
  return known[status] ?? (status >= 500 ? 'outside_failed' : 'outside_refused');
}

/** The caller's own sign-in is not at fault when the outside credential is: 424, not 401. */
function statusOf(code, outsideStatus) {
  const known = {
    credential_refused: 424,
    forbidden: 403,
    not_found: 404,
    conflict: 409,
    rate_limited: 429,
    outside_failed: 502,
  };
  if (outsideStatus < 300) return known[code] ?? 400;
  return known[code] ?? (outsideStatus >= 400 && outsideStatus < 500 ? outsideStatus : 502);
}
