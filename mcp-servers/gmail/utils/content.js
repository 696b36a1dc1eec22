// The bodies and attachments of a message, out of the parts that Gmail has taken it apart into.
import { malformed } from '../middleware/errors.js';

/** Of one body: more is not for a model. */
export const MAX_BODY_CHARACTERS = 100_000;

/** `{ text, html, attachments: [{ part_id, name, mime_type, size }] }`; bodies are decoded. */
export function contentOf(payload) {
  const bodies = { 'text/plain': [], 'text/html': [] };
  const attachments = [];
  for (const part of leaves(payload)) {
    if (isAttachment(part)) attachments.push(attachmentView(part));
    else if (part.body?.data) bodies[part.mimeType]?.push(decode(part));
  }
  return { text: join(bodies['text/plain']), html: join(bodies['text/html']), attachments };
}

/** The part of that id; undefined when there is none. The whole message's own part has the id `0` here. */
export const partOf = (payload, partId) => leaves(payload).find((part) => idOf(part) === partId && isAttachment(part));

const idOf = (part) => part.partId || '0';

/** Parts without parts, and messages inside the message, which stay whole. */
function leaves(part) {
  if (part === null || typeof part !== 'object') throw malformed('a payload');
  return part.parts?.length && !part.filename ? part.parts.flatMap(leaves) : [part];
}

const isAttachment = ({ filename, body }) => Boolean(filename || body?.attachmentId);

const attachmentView = (part) => ({
  part_id: idOf(part),
  name: part.filename || 'unnamed',
  mime_type: part.mimeType,
  size: part.body?.size ?? 0,
});

function join(texts) {
  const text = texts.join('\n');
  return text === '' ? undefined : text;
}

/** Gmail gives texts in UTF-8, or as they came: then their charset is named beside them. */
function decode({ body, headers = [] }) {
  const bytes = Buffer.from(body.data, 'base64url');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const type = headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
    const charset = /charset="?([\w.:-]+)/i.exec(type)?.[1];
    return decoderOf(charset).decode(bytes);
  }
}

function decoderOf(charset) {
  try {
    return new TextDecoder(charset ?? 'windows-1252');
  } catch {
    return new TextDecoder('windows-1252');
  }
}
