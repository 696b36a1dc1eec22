// From arguments to what Gmail takes: `{ raw, threadId }`.
import { Problem } from '../../_shared/problem.js';
import { malformed } from '../middleware/errors.js';
import { buildMail } from '../utils/mail.js';
import { THREAD_HEADERS, answerRecipients, answerSubject, answerTo } from '../utils/threading.js';

/** The message that is answered, with the headers that an answer needs. */
async function answered(api, messageId) {
  const message = await api.get(`messages/${messageId}`, { format: 'metadata', metadataHeaders: THREAD_HEADERS });
  if (!message.payload) throw malformed('a payload');
  return message;
}

/** `place` is `{ threadId, inReplyTo, references }`. */
export async function encode(mail, place = {}) {
  const bytes = await buildMail(mail, place);
  return { raw: bytes.toString('base64url'), threadId: place.threadId };
}

/** A mail as its arguments say; in the thread of `in_reply_to` where that is given. */
export async function compose(api, { in_reply_to, ...mail }) {
  if (!in_reply_to) return encode(mail);
  const message = await answered(api, in_reply_to);
  return encode({ ...mail, subject: mail.subject || answerSubject(message) }, answerTo(message));
}

/** An answer to a message: addressed and threaded by what that says. */
export async function composeReply(api, { message_id, to_all, cc, ...mail }) {
  const [message, { emailAddress: own = '' }] = await Promise.all([answered(api, message_id), api.get('profile')]);
  const recipients = answerRecipients(message, { own, toAll: to_all });
  if (recipients.to.length === 0) {
    throw new Problem(422, 'the message names nobody to answer: use send_message with in_reply_to', {
      code: 'no_recipient',
    });
  }
  const addressed = { ...mail, to: recipients.to, cc: [...recipients.cc, ...cc], subject: answerSubject(message) };
  return encode(addressed, answerTo(message));
}
