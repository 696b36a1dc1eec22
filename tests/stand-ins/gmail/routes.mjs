// The calls of the Gmail API that the service uses.
import { fromCursor, pageOf, toCursor } from '../cursors.mjs';
import { attachmentOf, messageView } from './views.mjs';

/** An error of Google's: `{error: {code, message, errors: [{reason}], status}}`. */
export function googleError(code, status, reason, message, headers = {}) {
  return {
    status: code,
    headers,
    body: { error: { code, message, errors: [{ message, domain: 'global', reason }], status } },
  };
}

class Refusal extends Error {
  constructor(...args) {
    super(args[3]);
    this.answer = googleError(...args);
  }
}
const notFound = () => {
  throw new Refusal(404, 'NOT_FOUND', 'notFound', 'Requested entity was not found.');
};
const invalid = (message) => {
  throw new Refusal(400, 'INVALID_ARGUMENT', 'invalidArgument', message);
};

const ROUTES = {
  'GET profile': (box) => ({
    emailAddress: box.address,
    messagesTotal: box.messages.length,
    threadsTotal: threads(box, {}).length,
    historyId: '1',
  }),

  'GET messages': (box, { query }) =>
    list(
      box.find(filter(query)).map(({ id, threadId }) => ({ id, threadId })),
      'messages',
      query,
    ),
  'POST messages/send': (box, { body }) =>
    messageView(box.send(rawOf(body, { needsRecipient: true }), threadOf(box, body)), 'minimal'),
  'GET messages/:id': (box, { query }, [id]) =>
    messageView(box.message(id) ?? notFound(), query.get('format') ?? 'full', query.getAll('metadataHeaders')),
  'POST messages/:id/modify': (box, { body }, [id]) =>
    messageView(modify(box, box.message(id) ?? notFound(), body), 'minimal'),
  'POST messages/:id/trash': (box, _, [id]) =>
    messageView(
      modify(box, box.message(id) ?? notFound(), { addLabelIds: ['TRASH'], removeLabelIds: ['INBOX'] }),
      'minimal',
    ),
  'POST messages/:id/untrash': (box, _, [id]) =>
    messageView(modify(box, box.message(id) ?? notFound(), { removeLabelIds: ['TRASH'] }), 'minimal'),
  'GET messages/:id/attachments/:id': (box, _, [id, attachment]) => {
    const part = attachmentOf((box.message(id) ?? notFound()).mail, attachment) ?? invalid('Invalid attachment token');
    return { size: part.body.length, data: part.body.toString('base64url') };
  },

  'GET drafts': (box, { query }) =>
    list(
      [...box.drafts.keys()].map((id) => draftView(box, id)),
      'drafts',
      query,
    ),
  'POST drafts': (box, { body }) => draftView(box, box.addDraft(rawOf(body.message), threadOf(box, body.message))),
  'GET drafts/:id': (box, { query }, [id]) => draftView(box, draftOf(box, id), query.get('format') ?? 'full'),
  'PUT drafts/:id': (box, { body }, [id]) => {
    box.replaceDraft(draftOf(box, id), rawOf(body.message), threadOf(box, body.message));
    return draftView(box, id);
  },
  'DELETE drafts/:id': (box, _, [id]) => void box.removeDraft(draftOf(box, id)),
  'POST drafts/send': (box, { body }) => {
    const { raw, threadId } = box.message(box.drafts.get(draftOf(box, body.id)));
    rawOf({ raw: raw.toString('base64url') }, { needsRecipient: true });
    box.removeDraft(body.id);
    return messageView(box.send(raw, threadId), 'minimal');
  },

  'GET labels': (box) => ({ labels: box.labels }),
  'POST labels': (box, { body }) => {
    if (!body.name) invalid('Invalid label name');
    const isThere = box.labels.some(({ name }) => name === body.name);
    if (isThere) throw new Refusal(409, 'ALREADY_EXISTS', 'aborted', 'Label name exists or conflicts');
    return box.addLabel(body);
  },

  'GET threads': (box, { query }) => list(threads(box, filter(query)), 'threads', query),
  'GET threads/:id': (box, { query }, [id]) => {
    const messages = box.messages.filter(({ threadId }) => threadId === id);
    if (messages.length === 0) notFound();
    return {
      id,
      historyId: '1',
      messages: messages.map((message) =>
        messageView(message, query.get('format') ?? 'full', query.getAll('metadataHeaders')),
      ),
    };
  },
};

const filter = (query) => ({
  q: query.get('q') ?? '',
  labelIds: query.getAll('labelIds'),
  includeSpamTrash: query.get('includeSpamTrash') === 'true',
});

function list(items, name, query) {
  const offset = fromCursor(query.get('pageToken')) ?? invalid('Invalid pageToken');
  const { page, next } = pageOf(items, offset, Number(query.get('maxResults') ?? 100));
  return {
    ...(page.length > 0 && { [name]: page }),
    ...(next && { nextPageToken: toCursor(next) }),
    resultSizeEstimate: items.length,
  };
}

function threads(box, wanted) {
  const found = new Map();
  for (const { threadId, snippet } of box.find(wanted)) {
    if (!found.has(threadId)) found.set(threadId, { id: threadId, snippet, historyId: '1' });
  }
  return [...found.values()];
}

function rawOf(message, { needsRecipient = false } = {}) {
  const text =
    message?.raw ?? invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required");
  const raw = Buffer.from(text, 'base64url');
  const head = raw.toString('latin1').split(/\r?\n\r?\n/)[0];
  if (needsRecipient && !/^(to|cc|bcc):\s*\S/im.test(head)) invalid('Recipient address required');
  return raw;
}

function threadOf(box, { threadId }) {
  if (threadId && !box.messages.some((message) => message.threadId === threadId)) notFound();
  return threadId;
}

const draftOf = (box, id) => (box.drafts.has(id) ? id : notFound());

function draftView(box, id, format) {
  const message = box.message(box.drafts.get(id));
  return {
    id,
    message: format
      ? messageView(message, format)
      : { id: message.id, threadId: message.threadId, labelIds: message.labelIds },
  };
}

function modify(box, message, { addLabelIds = [], removeLabelIds = [] }) {
  const unknown = [...addLabelIds, ...removeLabelIds].find((label) => !box.labels.some(({ id }) => id === label));
  if (unknown) invalid(`Invalid label: ${unknown}`);
  message.labelIds = [...new Set([...message.labelIds, ...addLabelIds])].filter(
    (label) => !removeLabelIds.includes(label),
  );
  return message;
}

const PATTERNS = Object.entries(ROUTES).map(([route, work]) => ({
  pattern: new RegExp(`^${route.replaceAll(':id', '([^/ ]+)')}$`),
  work,
}));

/** The answer to `path` below `/gmail/v1/users/me/`. */
export function callGmail(box, path, request) {
  const wanted = `${request.method} ${path}`;
  const order = ({ pattern }) => (pattern.source.includes('(') ? 1 : 0); // `messages/send` before `messages/:id`
  const route = PATTERNS.toSorted((a, b) => order(a) - order(b)).find(({ pattern }) => pattern.test(wanted));
  try {
    if (!route) notFound();
    const body = route.work(box, request, route.pattern.exec(wanted).slice(1));
    return body === undefined ? { status: 204, body: Buffer.alloc(0) } : { status: 200, body };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.answer;
  }
}
