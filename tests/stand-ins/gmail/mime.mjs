// Reads a mail strictly enough that an injected header or part would be seen as one.

/** `{ headers: [{name, value}], mimeType, filename, body, parts }`; the body is decoded, texts become UTF-8. */
export function parseMail(raw) {
  return part(Buffer.isBuffer(raw) ? raw.toString('latin1') : raw);
}

export const headerOf = (node, name) =>
  node.headers.find((header) => header.name.toLowerCase() === name.toLowerCase())?.value;

function part(text) {
  const end = /\r?\n\r?\n/.exec(text);
  const head = end ? text.slice(0, end.index) : text;
  const content = end ? text.slice(end.index + end[0].length) : '';
  const headers = head
    .replaceAll(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)
    .filter(Boolean)
    .map((line) => {
      const at = line.indexOf(':');
      if (at < 1) throw new Error(`not a header: ${line}`);
      return { name: line.slice(0, at), value: words(line.slice(at + 1).trim()) };
    });
  const node = { headers };
  const type = headerOf(node, 'content-type') ?? 'text/plain';
  node.mimeType = type.split(';')[0].trim().toLowerCase();
  node.filename = parameter(headerOf(node, 'content-disposition') ?? '', 'filename') ?? parameter(type, 'name') ?? '';
  node.parts = node.mimeType.startsWith('multipart/') ? split(content, parameter(type, 'boundary')).map(part) : [];
  node.body = node.parts.length > 0 ? Buffer.alloc(0) : decode(node, content, type);
  return node;
}

function split(content, boundary) {
  const sections = `\r\n${content}`.split(new RegExp(`\\r?\\n--${escape(boundary)}(?:--)?[ \\t]*(?=\\r?\\n|$)`));
  return sections.slice(1, -1).map((section) => section.replace(/^\r?\n/, ''));
}

function decode(node, content, type) {
  const encoding = (headerOf(node, 'content-transfer-encoding') ?? '7bit').toLowerCase();
  let bytes = Buffer.from(content, 'latin1');
  if (encoding === 'base64') bytes = Buffer.from(content, 'base64');
  if (encoding === 'quoted-printable') bytes = unquote(content.replaceAll(/=[ \t]*\r?\n/g, ''));
  const charset = parameter(type, 'charset') ?? 'utf-8';
  if (!node.mimeType.startsWith('text/') || /^(utf-?8|us-ascii)$/i.test(charset)) return bytes;
  return Buffer.from(new TextDecoder(charset).decode(bytes));
}

const unquote = (text) =>
  Buffer.from(
    text.replaceAll(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );

/** Words of RFC 2047: `=?utf-8?B?…?=`. */
function words(value) {
  return value
    .replaceAll(/(\?=)\s+(=\?)/g, '$1$2')
    .replaceAll(/=\?([^?]+)\?([bq])\?([^?]*)\?=/gi, (_, charset, kind, data) => {
      const bytes = kind.toLowerCase() === 'b' ? Buffer.from(data, 'base64') : unquote(data.replaceAll('_', ' '));
      return new TextDecoder(charset).decode(bytes);
    });
}

/** A parameter of a header; RFC 2231's `name*=utf-8''…` and `name*0*=…` too. */
function parameter(header, name) {
  const plain = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]+))`, 'i').exec(header);
  if (plain) return plain[1] ?? plain[2];
  const pieces = [...header.matchAll(new RegExp(`;\\s*${name}\\*\\d*\\*?=([^;\\s]+)`, 'gi'))].map(([, piece]) => piece);
  if (pieces.length === 0) return undefined;
  return decodeURIComponent(pieces.join('').replace(/^[^']*'[^']*'/, ''));
}

const escape = (text) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');
