// A stand-in of the Gmail API: a mailbox for each login. `node gmail.mjs --token ya29.1=alice`; GMAIL_API_URL
// is its URL. Tokens of google-oauth.mjs come in by its --tell.
import { crossingOf } from './crossings.mjs';
import { createFront, listen, readArguments } from './front.mjs';
import { Mailbox } from './gmail/mailbox.mjs';
import { callGmail, googleError } from './gmail/routes.mjs';

const EXPECTED = 'Expected OAuth 2 access token, login cookie or other valid authentication credential.';

const mailboxes = new Map();
const mailboxOf = (login) => {
  if (!mailboxes.has(login)) mailboxes.set(login, new Mailbox(login));
  return mailboxes.get(login);
};

const { port, tokens } = readArguments('ya29.');
const front = createFront(
  {
    tokenOf: ({ headers }) => /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1],
    refusal(why) {
      const what =
        why === 'missing'
          ? 'Request is missing required authentication credential.'
          : 'Request had invalid authentication credentials.';
      return googleError(401, 'UNAUTHENTICATED', 'authError', `${what} ${EXPECTED}`);
    },
    rateLimit({ retry_after: seconds, secondary = false }) {
      const headers = { 'retry-after': String(seconds) };
      if (secondary)
        return googleError(403, 'PERMISSION_DENIED', 'userRateLimitExceeded', 'User Rate Limit Exceeded', headers);
      return googleError(
        429,
        'RESOURCE_EXHAUSTED',
        'rateLimitExceeded',
        'Too many concurrent requests for user',
        headers,
      );
    },
    answer,
  },
  tokens,
);
listen(front, port);

async function answer({ request, url, body, login }) {
  const input = body.length > 0 ? JSON.parse(body) : {};
  const raw = Buffer.from(input.raw ?? input.message?.raw ?? '', 'base64url');
  const crossing = crossingOf(
    `${decodeURIComponent(url.pathname)} ${[...url.searchParams.values()].join(' ')} ${body} ${raw}`,
    login,
  );
  if (crossing) return crossing;
  const [, user, path] = /^\/gmail\/v1\/users\/([^/]+)\/(.+)$/.exec(decodeURIComponent(url.pathname)) ?? [];
  const mailbox = mailboxOf(login);
  if (!user) return { status: 404, body: {} };
  if (user !== 'me' && user !== mailbox.address) {
    return googleError(403, 'PERMISSION_DENIED', 'forbidden', `Delegation denied for ${mailbox.address}`);
  }
  return callGmail(mailbox, path, { method: request.method, query: url.searchParams, body: input });
}
