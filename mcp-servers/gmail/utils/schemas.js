// The forms of what tools give, and arguments that several of them take.
import { z } from 'zod';

const id = (what) => z.string().regex(/^[\w-]{1,200}$/, `must be the id of a ${what}`);

export const messageId = id('message').describe('Id of the message, as lists and searches give it');
export const threadId = id('thread').describe('Id of the thread (conversation)');
export const draftId = id('draft').describe('Id of the draft, as list_drafts gives it');
export const labels = z
  .array(id('label'))
  .max(100)
  .describe(
    'Ids of labels, as list_labels gives them; INBOX, UNREAD, STARRED, IMPORTANT, SPAM, TRASH are some of Gmail’s own',
  );
export const next = z.string().optional().describe('Give it as `cursor` for the next page; absent on the last one');

/** Arguments of a list. */
export const paging = (fallback, most) => ({
  limit: z.int().min(1).max(most).default(fallback).describe(`Results per page, at most ${most}`),
  cursor: z.string().max(500).optional().describe('`next` of the page before; absent for the first'),
});

export const summaryForm = z.object({
  id: z.string(),
  thread_id: z.string(),
  subject: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  cc: z.string().optional(),
  date: z.string().optional().describe('When Gmail got it, ISO 8601'),
  snippet: z.string().describe('How its text begins'),
  labels: z.array(z.string()),
  is_unread: z.boolean(),
});

export const messageForm = summaryForm.extend({
  bcc: z.string().optional(),
  reply_to: z.string().optional(),
  message_id: z.string().optional().describe('The Message-ID header'),
  text: z.string().optional().describe('The body as plain text'),
  html: z.string().optional().describe('The body as HTML'),
  is_cut: z.boolean().describe('Whether a body is longer than what is given of it'),
  attachments: z.array(
    z.object({
      part_id: z.string().describe('For get_attachment'),
      name: z.string(),
      mime_type: z.string(),
      size: z.int().describe('Bytes'),
    }),
  ),
  headers: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
});

export const messagePage = z.object({ messages: z.array(summaryForm), next });

export const sentForm = z.object({ id: z.string(), thread_id: z.string(), labels: z.array(z.string()) });

export const labelForm = z.object({ id: z.string(), name: z.string(), kind: z.enum(['system', 'own']) });
