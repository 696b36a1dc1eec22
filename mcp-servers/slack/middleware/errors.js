// Slack refuses with status 200 and a word. What the word means, and what to do about it.
import { ErrorCode } from '@slack/web-api';

import { OutsideProblem, Problem } from '../../_shared/problem.js';

const REFUSED = 'credential_refused';
const FORBIDDEN = 'forbidden';

/** Words that a pattern does not tell: their code and, where there is one, what to do. */
const KNOWN = {
  not_authed: [REFUSED],
  invalid_auth: [REFUSED],
  account_inactive: [REFUSED],
  token_expired: [REFUSED, 'The token has expired: give this instance a new one.'],
  token_revoked: [REFUSED, 'The token was revoked: install the app again, and give this instance a new one.'],
  missing_scope: [FORBIDDEN],
  not_allowed_token_type: [FORBIDDEN, 'This needs a user token (xoxp-…); a bot token cannot do it.'],
  not_in_channel: [FORBIDDEN, 'Invite the app to the channel first: /invite @app.'],
  channel_is_archived: ['conflict'],
  is_archived: ['conflict', 'The channel is archived: unarchive it in Slack first.'],
  ratelimited: ['rate_limited'],
  rate_limited: ['rate_limited'],
  already_reacted: ['conflict', 'The reaction is there already: nothing to do.'],
  no_reaction: ['conflict', 'That reaction is not there: nothing to do.'],
  invalid_cursor: ['outside_refused', 'Begin again without a cursor.'],
};
const PATTERNS = [
  [/_not_found$/, 'not_found'],
  [/^(cant_|no_permission|restricted_|access_denied|not_allowed|ekm_|team_access)/, FORBIDDEN],
  [/^(fatal_error|internal_error|service_unavailable|request_timeout|team_added_to_org)$/, 'outside_failed'],
];

/** What Slack's client threw, as a Problem. */
export function toProblem(error) {
  switch (error.code) {
    case ErrorCode.PlatformError:
      return refusal(error.data);
    case ErrorCode.RequestError: // a Problem of our own fetch
      return error.original;
    case ErrorCode.RateLimitedError:
      return new OutsideProblem('Slack', 429, 'ratelimited', { retryAfterSeconds: error.retryAfter });
    case ErrorCode.HTTPError:
      return new OutsideProblem('Slack', error.statusCode, error.statusMessage || 'no reason given');
    default: // the client stumbles over an answer of no use
      return error instanceof TypeError ? malformed() : error;
  }
}

function refusal({ error: said, needed, provided, response_metadata }) {
  // Slack's client gives an answer that is no JSON as the error.
  if (typeof said !== 'string' || !/^[\w.-]{1,80}$/.test(said)) {
    return malformed();
  }
  const pattern = PATTERNS.find(([shape]) => shape.test(said))?.[1];
  const [code = pattern ?? 'outside_refused', hint] = KNOWN[said] ?? [];
  const scopes = needed && ` (needs the scope ${needed}; the token has ${provided || 'none'})`;
  const details = response_metadata?.messages?.join('; ');
  return new OutsideProblem('Slack', 200, `${said}${scopes ?? ''}${details ? ` (${details})` : ''}`, {
    code,
    ...(hint && { hint }),
  });
}

const malformed = () =>
  new Problem(502, 'Slack answered in a form that it should not. Try again later.', { code: 'outside_malformed' });
