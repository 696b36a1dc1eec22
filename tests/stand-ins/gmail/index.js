// The Gmail API: a mailbox for each account of a token. Run it: node index.js --token ya29.1=alice
import { runAsProgram } from '../common/program.js';
import { startStandIn } from '../common/server.js';
import { Mailbox } from './mailbox.js';
import { callGmail, googleError } from './routes.js';

const MESSAGES = {
  missing: 'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
  other: 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
};

/** `{ url, tokens, faults, journal, mailbox(account), close() }`; `url` is what GMAIL_API_URL takes. */
export async function startGmail(options) {
  const mailboxes = new Map();
  const mailbox = (account) => {
    if (!mailboxes.has(account)) mailboxes.set(account, new Mailbox(account));
    return mailboxes.get(account);
  };
  const api = {
    name: 'gmail',
    prefix: '',
    answer: (request) => answer(mailbox(request.account), request),
    refuse: (reason) => googleError(401, 'UNAUTHENTICATED', 'authError', MESSAGES[reason] ?? MESSAGES.other),
    rateLimited: (seconds) => googleError(429, 'RESOURCE_EXHAUSTED', 'rateLimitExceeded', 'Too many concurrent requests for user', { 'retry-after': String(seconds) }),
    seed: ({ account, raw, labels = ['INBOX'] }) => ({ id: mailbox(account).add(Buffer.from(raw), labels).id }),
  };
  return { ...(await startStandIn(api, options)), mailbox };
}

function answer(mailbox, request) {
  const found = /^\/gmail\/v1\/users\/([^/]+)\/(.+)$/.exec(request.path);
  if (!found) return { status: 404, body: 'Not Found' };
  if (found[1] !== 'me' && found[1] !== mailbox.address) return googleError(403, 'PERMISSION_DENIED', 'forbidden', `Delegation denied for ${mailbox.address}`);
  return callGmail(mailbox, found[2], request);
}

await runAsProgram(import.meta, startGmail);
