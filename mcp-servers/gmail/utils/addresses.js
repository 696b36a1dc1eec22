// Addresses of mail. What a header must not hold is refused here, before a mail is made of it.
import parseAddresses from 'nodemailer/lib/addressparser';
import { z } from 'zod';

/** Line ends and other control characters: with them a text could begin a header of its own. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;
const CONTROLS = new RegExp(CONTROL, 'gu');
const ADDRESS = /^[^\s@<>()[\]\\,;:"]{1,64}@[^\s@<>()[\]\\,;:"]{1,255}$/u;

/** A text of one line, fit for a header. */
export const line = (most) =>
  z
    .string()
    .max(most)
    .refine((text) => !CONTROL.test(text), 'must be one line, without control characters');

/** `a@b.example` or `Name <a@b.example>`; one address, no list and no group. */
export const address = line(400)
  .refine(
    (text) => addressOf(text) !== undefined,
    'must be one address, such as name@example.com or Name <name@example.com>',
  )
  .describe('name@example.com or Name <name@example.com>');

/** `{ name, address }` of a text with one address; undefined for anything else. */
export function addressOf(text) {
  const found = parseAddresses(text);
  return found.length === 1 && !found[0].group && ADDRESS.test(found[0].address) ? found[0] : undefined;
}

/** The text on one line. */
export const toLine = (text) => text.replaceAll(CONTROLS, ' ').replaceAll(/ +/g, ' ').trim();

/** All good addresses of a header's value, which anybody may have written. */
export function addressesOf(value = '') {
  const found = parseAddresses(toLine(value)).flatMap((one) => one.group ?? [one]);
  return found.filter(({ address: one }) => ADDRESS.test(one));
}
