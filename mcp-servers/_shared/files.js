// Files as tools give them: `{ name, mime_type, size, text }`, or `data` as base64 where it is no text.

const NEVER_TEXT = /^(image|audio|video|font)\/(?!svg)|^application\/(pdf|zip|gzip|octet-stream)$/;

/** `{ text }` when the bytes are one (UTF-8), else `{ data }` as base64. */
export function fileFields(bytes, mimeType) {
  const text = NEVER_TEXT.test(mimeType) ? undefined : textOf(bytes);
  return text === undefined ? { data: Buffer.from(bytes).toString('base64') } : { text };
}

function textOf(bytes) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The MCP content of a result with such fields: the text itself, a picture, or a resource of `uri`. */
export function fileContent(uri, { mime_type, text, data }) {
  if (text !== undefined) return [{ type: 'text', text }];
  if (/^image\/(png|jpeg|gif|webp)$/.test(mime_type)) return [{ type: 'image', data, mimeType: mime_type }];
  return [{ type: 'resource', resource: { uri, mimeType: mime_type, blob: data } }];
}
