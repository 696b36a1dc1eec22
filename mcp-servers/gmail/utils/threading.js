// How an answer hangs together with what it answers.
import { addressesOf, toLine } from './addresses.js';
import { headerOf } from './views.js';

/** Headers of a message that an answer to it needs. */
export const THREAD_HEADERS = ['Message-ID', 'References', 'In-Reply-To', 'Subject', 'From', 'Reply-To', 'To', 'Cc'];

/** Message-IDs of a header, which anybody may have written: nothing else of it is taken over. */
const idsOf = (value = '') => value.match(/<[^\s<>]{1,250}>/g) ?? [];

/** `{ threadId, inReplyTo, references }` for a mail that answers `message`. */
export function answerTo({ threadId, payload }) {
  const [own] = idsOf(headerOf(payload, 'Message-ID'));
  const before = idsOf(headerOf(payload, 'References'));
  const earlier = before.length > 0 ? before : idsOf(headerOf(payload, 'In-Reply-To')).slice(0, 1);
  return { threadId, inReplyTo: own, references: [...earlier, own].filter(Boolean).slice(-50) };
}

/** `{ threadId, inReplyTo, references }` that a mail has itself, to keep it where it is. */
export function placeOf({ threadId, payload }) {
  const [inReplyTo] = idsOf(headerOf(payload, 'In-Reply-To'));
  return { threadId, inReplyTo, references: idsOf(headerOf(payload, 'References')) };
}

/** The subject of an answer, fit for a header. */
export function answerSubject({ payload }) {
  const subject = toLine(headerOf(payload, 'Subject') ?? '').slice(0, 900);
  return /^re:/i.test(subject) ? subject : `Re: ${subject}`.trim();
}

/** `{ to, cc }` of an answer; `own` is the account's address, which gets none. */
export function answerRecipients({ labelIds = [], payload }, { own, toAll }) {
  const addresses = (name) => addressesOf(headerOf(payload, name));
  const isOwn = ({ address }) => address.toLowerCase() === own.toLowerCase();
  const sender = addresses('Reply-To').length > 0 ? addresses('Reply-To') : addresses('From');
  // An answer to what oneself has sent goes to whom that went.
  const isOwnMail = labelIds.includes('SENT') || (sender.length > 0 && sender.every(isOwn));
  const to = isOwnMail ? addresses('To') : sender;
  const others = toAll ? [...addresses('To'), ...addresses('Cc')] : [];
  const seen = new Set();
  const fresh = (one) => !seen.has(one.address.toLowerCase()) && Boolean(seen.add(one.address.toLowerCase()));
  const kept = to.filter(fresh);
  const copied = others.filter((one) => !isOwn(one) && fresh(one));
  return { to: kept.map(text), cc: copied.map(text) };
}

const text = ({ name, address }) => (name ? `"${name.replaceAll(/["\\]/g, '')}" <${address}>` : address);
