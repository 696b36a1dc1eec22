import { malformed } from '../middleware/errors.js';
import { MAX_BODY_CHARACTERS, contentOf } from './content.js';

/** The value of a header of a message or a part; undefined when it has none. */
export const headerOf = (payload, name) =>
  payload?.headers?.find((header) => header.name.toLowerCase() === name.toLowerCase())?.value || undefined;

/** A message as lists show it. */
export function summaryView(message) {
  const { id, threadId, labelIds = [], snippet, internalDate, payload } = message;
  if (typeof id !== 'string') throw malformed('a message');
  return {
    id,
    thread_id: threadId,
    subject: headerOf(payload, 'Subject') ?? '',
    from: headerOf(payload, 'From'),
    to: headerOf(payload, 'To'),
    cc: headerOf(payload, 'Cc'),
    date: internalDate && new Date(Number(internalDate)).toISOString(),
    snippet: unescape(snippet ?? ''),
    labels: labelIds,
    is_unread: labelIds.includes('UNREAD'),
  };
}

/** A message with its bodies; `html` only when asked for, or when there is no text. */
export function messageView(message, { includeHtml = false, includeHeaders = false } = {}) {
  const { payload } = message;
  if (!payload) throw malformed('a payload');
  const { text, html, attachments } = contentOf(payload);
  const bodies = { text, html: includeHtml || text === undefined ? html : undefined };
  return {
    ...summaryView(message),
    bcc: headerOf(payload, 'Bcc'),
    reply_to: headerOf(payload, 'Reply-To'),
    message_id: headerOf(payload, 'Message-ID'),
    text: bodies.text?.slice(0, MAX_BODY_CHARACTERS),
    html: bodies.html?.slice(0, MAX_BODY_CHARACTERS),
    is_cut: Object.values(bodies).some((body) => body?.length > MAX_BODY_CHARACTERS),
    attachments,
    headers: includeHeaders ? payload.headers?.map(({ name, value }) => ({ name, value })) : undefined,
  };
}

export const sentView = ({ id, threadId, labelIds = [] }) => ({ id, thread_id: threadId, labels: labelIds });

export const labelView = ({ id, name, type }) => ({ id, name, kind: type === 'system' ? 'system' : 'own' });

/** Gmail escapes snippets for web pages. */
function unescape(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return text.replaceAll(/&(?:#(\d{1,6})|(amp|lt|gt|quot));/g, (_, code, name) =>
    code ? String.fromCodePoint(Number(code)) : named[name],
  );
}
