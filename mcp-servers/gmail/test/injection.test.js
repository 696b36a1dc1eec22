// Nothing that is written, by callers or by strangers, begins a header or a part of its own.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { header, serviceFor } from './support.js';

const file = fileScope(after);
let gmail;
let sent;
let receive;
let call;

before(async () => {
  let as;
  ({ gmail, as, sent, receive } = await serviceFor(file));
  ({ call } = await as('alice'));
});

test('no argument begins a header of its own', async () => {
  const evil = 'x\r\nBcc: evil@example.com';
  const to = ['a@example.com'];
  const cases = [
    { to, subject: evil },
    { to, subject: 'x\nBcc: evil@example.com' },
    { to, subject: 'x\rBcc: evil@example.com' },
    { to, subject: 'x\u2028Bcc: evil@example.com' },
    { to, subject: 'x\0' },
    { to: [`a@example.com\r\nBcc: evil@example.com`] },
    { to: [`${evil} <a@example.com>`] },
    { to: ['"x\r\nBcc: evil@example.com" <a@example.com>'] },
    { to, cc: [`a@example.com\nX: y`] },
    { to, bcc: ['a@example.com\r\n\r\nbody'] },
    { to: ['a@example.com, evil@example.com'] },
    { to: ['Group: a@example.com, evil@example.com;'] },
    { to: ['nobody'] },
    { to: ['a@b@c'] },
    { to, attachments: [{ name: `x"\r\nX-Evil: 1`, data: '' }] },
    { to, attachments: [{ name: 'x', mime_type: 'text/plain\r\nX-Evil: 1', data: '' }] },
    { to, attachments: [{ name: 'x', data: '\r\n--boundary' }] },
  ];
  await gmail.forget();
  for (const input of cases) {
    for (const tool of ['send_message', 'create_draft']) {
      await assert.rejects(call(tool, input), { code: 'bad_arguments' }, JSON.stringify(input));
    }
  }
  await assert.rejects(call('create_label', { name: evil }), { code: 'bad_arguments' });
  assert.equal((await gmail.calls()).length, 0);
});

test('no body begins a part of its own, and no name leaves its quotes', async () => {
  const text = '\r\n\r\n--boundary\r\nBcc: evil@example.com\r\n\r\n.\r\nSubject: other';
  const { id } = await call('send_message', {
    to: ['"Bcc: evil@example.com;, x" <a@example.com>'],
    subject: '=?utf-8?q?=0D=0ABcc:_e@x.y?=',
    text,
    html: text,
  });
  const lines = await sent(id);
  assert.ok(!lines.some((line) => /^bcc:/i.test(line)));
  assert.equal(lines.filter((line) => /^(to|subject):/i.test(line)).length, 2);
  const message = await call('get_message', { message_id: id });
  assert.match(message.text, /Bcc: evil@example.com/);
});

test('what strangers wrote into headers stays harmless in an answer', async () => {
  const nasty = [
    ['From', '=?utf-8?q?=0D=0ABcc:_evil@example.com?= <sender@example.com>'],
    ['Subject', '=?utf-8?q?Hi=0D=0ABcc:_evil@example.com?='],
    ['Message-ID', '<m2@example.com> evil'],
    ['References', '=?utf-8?q?<a@b>=0D=0ABcc:_evil@example.com?= <c@d>'],
  ];
  const id = await receive(['To: alice@gmail.example', ...nasty.map(([name, value]) => `${name}: ${value}`)]);
  const lines = await sent((await call('reply', { message_id: id, text: 'x' })).id);
  assert.ok(!lines.some((line) => /^bcc:/i.test(line)), lines.join('\n'));
  assert.match(header(lines, 'To'), /<sender@example.com>$/);
  assert.equal(header(lines, 'References'), '<a@b> <c@d> <m2@example.com>');
  assert.equal(header(lines, 'Subject'), 'Re: Hi Bcc: evil@example.com');

  const nobody = await receive(['To: alice@gmail.example', 'From: nobody']);
  await assert.rejects(call('reply', { message_id: nobody, text: 'x' }), { code: 'no_recipient' });
});
