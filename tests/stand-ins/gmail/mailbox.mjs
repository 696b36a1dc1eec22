// The mailbox of one account: messages, drafts and labels. Every mail tells whose it is.
import { headerOf, parseMail } from './mime.mjs';
import { seedMails } from './seed.mjs';

const SYSTEM_LABELS = ['INBOX', 'SENT', 'DRAFT', 'TRASH', 'SPAM', 'UNREAD', 'STARRED', 'IMPORTANT'];

export class Mailbox {
  #count = 0;

  constructor(account) {
    this.account = account;
    this.address = `${account}@gmail.example`;
    this.messages = [];
    this.drafts = new Map();
    this.labels = SYSTEM_LABELS.map((id) => ({ id, name: id, type: 'system' }));
    this.labels.push({ id: 'Label_1', name: `Of ${account}`, type: 'user' });
    for (const { raw, labels, thread } of seedMails(account))
      this.add(raw, labels, thread && this.messages.at(-1).threadId);
  }

  /** Takes a mail in; the newest are first in `messages`' reverse order. */
  add(raw, labelIds, threadId) {
    const id = this.#id('m');
    const message = {
      id,
      threadId: threadId ?? this.#id('t'),
      labelIds: [...labelIds],
      internalDate: String(1_750_000_000_000 + this.#count * 1000),
      ...contentOf(raw),
    };
    this.messages.push(message);
    return message;
  }

  addDraft(raw, threadId) {
    const id = this.#id('r');
    this.drafts.set(id, this.add(raw, ['DRAFT'], threadId).id);
    return id;
  }

  replaceDraft(id, raw, threadId) {
    this.remove(this.drafts.get(id));
    this.drafts.set(id, this.add(raw, ['DRAFT'], threadId).id);
  }

  removeDraft(id) {
    const message = this.message(this.drafts.get(id));
    this.remove(message.id);
    this.drafts.delete(id);
    return message;
  }

  send(raw, threadId) {
    const labels = headerOf(parseMail(raw), 'to')?.includes(this.address) ? ['SENT', 'INBOX', 'UNREAD'] : ['SENT'];
    return this.add(raw, labels, threadId);
  }

  message(id) {
    return this.messages.find((message) => message.id === id);
  }

  remove(id) {
    this.messages = this.messages.filter((message) => message.id !== id);
  }

  addLabel(label) {
    const added = { id: this.#id('Label_'), type: 'user', ...label };
    this.labels.push(added);
    return added;
  }

  /** Messages that fit, newest first; those in the bin only when asked for. */
  find({ q = '', labelIds = [], includeSpamTrash = false }) {
    const terms = q.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
    const hidden =
      includeSpamTrash || /in:(trash|anywhere)/.test(q) || labelIds.includes('TRASH') ? [] : ['TRASH', 'SPAM'];
    return this.messages
      .filter((message) => !hidden.some((label) => message.labelIds.includes(label)))
      .filter((message) => labelIds.every((label) => message.labelIds.includes(label)))
      .filter((message) => terms.every((term) => fits(message, term.replaceAll('"', ''))))
      .reverse();
  }

  #id(letter) {
    this.#count += 1;
    return `${letter}${this.account}${this.#count}`;
  }
}

function contentOf(raw) {
  const mail = parseMail(raw);
  const text =
    leaves(mail)
      .find(({ mimeType }) => mimeType === 'text/plain')
      ?.body.toString() ?? '';
  return { raw, mail, sizeEstimate: raw.length, snippet: text.replaceAll(/\s+/g, ' ').trim().slice(0, 100) };
}

export const leaves = (node) => (node.parts.length > 0 ? node.parts.flatMap(leaves) : [node]);

function fits({ mail, labelIds, snippet }, term) {
  const [, key, value] = /^(\w+):(.*)$/.exec(term) ?? [];
  const header = (name) => (headerOf(mail, name) ?? '').toLowerCase();
  switch (key) {
    case 'from':
    case 'to':
    case 'subject':
      return header(key).includes(value.toLowerCase());
    case 'rfc822msgid':
      return header('message-id').includes(value.toLowerCase());
    case 'is':
    case 'in':
    case 'label':
      return value === 'anywhere' || labelIds.includes(value.toUpperCase());
    case 'has':
      return leaves(mail).some(({ filename }) => filename);
    default:
      return `${header('subject')} ${snippet}`.toLowerCase().includes(term.toLowerCase());
  }
}
