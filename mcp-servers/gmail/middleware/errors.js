// Google's errors, in its own words, and what to do about them.
import { OutsideProblem, Problem } from '../../_shared/problem.js';

/** Reasons of a 403 that is a rate limit. */
export const LIMIT_REASONS = /"(rateLimitExceeded|userRateLimitExceeded)"/;

const HINTS = {
  401: 'The sign-in to Google has run out or was revoked: sign in again to give this instance a new one.',
  insufficientPermissions: 'The sign-in lacks a permission: sign in again and allow everything that is asked for.',
  dailyLimitExceeded: 'The day’s quota is used up: try again tomorrow.',
  accessNotConfigured: 'The Gmail API is off in the Google Cloud project of this sign-in: have it enabled.',
  domainPolicy: 'An administrator of the Google Workspace has forbidden this.',
};

/** `{error: {code, message, errors: [{reason}]}}` as a Problem. */
export function toProblem(response, text) {
  const error = parse(text)?.error ?? {};
  const reason = error.errors?.[0]?.reason;
  const hint = HINTS[response.status] ?? HINTS[reason];
  return new OutsideProblem('Gmail', response.status, error.message ?? response.statusText, hint && { hint });
}

/** The text as JSON; undefined when it is none. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const malformed = (what) =>
  new Problem(502, `Gmail answered without ${what}, or in another form. Try again later.`, {
    code: 'outside_malformed',
  });
