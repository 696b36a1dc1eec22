// What Gmail shows of a message: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages

/** A message in the format minimal, full, metadata or raw. */
export function messageView(message, format = 'full', wanted = []) {
  const { id, threadId, labelIds, snippet, internalDate, sizeEstimate } = message;
  const view = { id, threadId, labelIds, snippet, historyId: '1', internalDate, sizeEstimate };
  if (format === 'raw') return { ...view, raw: message.raw.toString('base64url') };
  if (format === 'full') return { ...view, payload: partView(message.mail, '') };
  if (format !== 'metadata') return view;
  const names = wanted.map((name) => name.toLowerCase());
  const headers = message.mail.headers.filter(({ name }) => names.length === 0 || names.includes(name.toLowerCase()));
  return { ...view, payload: { mimeType: message.mail.mimeType, headers } };
}

function partView(node, partId) {
  const isAttachment = node.filename !== '';
  const body = { size: node.body.length };
  if (isAttachment) body.attachmentId = `ATT${partId || '0'}`;
  else if (node.body.length > 0) body.data = node.body.toString('base64url');
  const view = { partId, mimeType: node.mimeType, filename: node.filename, headers: node.headers, body };
  if (node.parts.length > 0)
    view.parts = node.parts.map((part, n) => partView(part, partId ? `${partId}.${n}` : `${n}`));
  return view;
}

/** The part that an attachment's id names. */
export function attachmentOf(mail, attachmentId) {
  const path = /^ATT([\d.]+)$/.exec(attachmentId)?.[1].split('.').map(Number);
  return path?.reduce((node, n) => node?.parts[n], mail);
}
