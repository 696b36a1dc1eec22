// A mail as Gmail takes it: RFC 5322, made by nodemailer.
import { randomUUID } from 'node:crypto';

import MailComposer from 'nodemailer/lib/mail-composer';
import { z } from 'zod';

import { address, addressOf, line } from './addresses.js';

const addresses = (what) => z.array(address).max(100).default([]).describe(what);
const file = z.object({
  name: line(255).min(1).describe('File name'),
  mime_type: z
    .string()
    .regex(/^[\w.+-]{1,60}\/[\w.+-]{1,100}$/, 'must be a media type such as application/pdf')
    .default('application/octet-stream'),
  data: z.base64().describe('The content as base64'),
});

/** What every mail has, as arguments. */
export const contentInput = {
  text: z.string().max(1_000_000).default('').describe('The body as plain text'),
  html: z.string().max(1_000_000).optional().describe('The body as HTML too, for those who read that'),
  attachments: z.array(file).max(20).default([]).describe('Files to attach, some 2.5 MB in all'),
};
export const recipientInput = {
  cc: addresses('Who gets a copy'),
  bcc: addresses('Who gets a copy unseen by the others'),
};
export const mailInput = {
  to: addresses('Who it is for'),
  ...recipientInput,
  subject: line(998).default('').describe('Subject, one line'),
  ...contentInput,
};

/**
 * The mail as bytes. `thread` is `{ inReplyTo, references }`, Message-IDs in angle brackets. The sender is
 * left to Gmail, which puts the account's own.
 */
export function buildMail({ to, cc, bcc, subject, text, html, attachments }, thread = {}) {
  const all = (list) => list.map((one) => addressOf(one));
  const composer = new MailComposer({
    ...{ to: all(to), cc: all(cc), bcc: all(bcc), subject, text, html },
    ...{ inReplyTo: thread.inReplyTo, references: thread.references },
    messageId: `<${randomUUID()}@mail.gmail.com>`, // not this host's name
    attachments: attachments.map(({ name, mime_type, data }) => ({
      filename: name,
      contentType: mime_type,
      content: Buffer.from(data, 'base64'),
    })),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const mail = composer.compile();
  mail.keepBcc = true; // Gmail delivers to them and hides the header
  return mail.build();
}
