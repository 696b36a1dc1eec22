// Tools that write and send, against the stand-in, through a client of the official SDK.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { all, header, serviceFor } from './support.js';

const file = fileScope(after);
let sent;
let receive;
let call;

before(async () => {
  let as;
  ({ as, sent, receive } = await serviceFor(file));
  ({ call } = await as('alice'));
});

const ofTalk = async (n) =>
  (await call('search_messages', { query: `rfc822msgid:talk-${n}@alice.example` })).messages[0];
test('send_message: everything arrives as it was written', async () => {
  const data = Buffer.from([0, 1, 255, 13, 10]).toString('base64');
  const { id, labels } = await call('send_message', {
    to: ['Zoë "Z" Müller <zoe@example.com>', 'plain@example.com'],
    cc: ['copy@example.com'],
    bcc: ['hidden@example.com'],
    subject: 'Grüße, ein langer Betreff, der gefaltet werden muss, weil er mehr als achtundsiebzig Zeichen hat',
    text: 'Hällo\n.\nFrom here',
    html: '<p>Hällo</p>',
    attachments: [{ name: 'Übersicht.bin', mime_type: 'application/x-thing', data }],
  });
  assert.deepEqual(labels, ['SENT']);
  const message = await call('get_message', { message_id: id, include_html: true, include_headers: true });
  assert.match(message.subject, /^Grüße, ein langer Betreff.*achtundsiebzig Zeichen hat$/);
  assert.equal(message.text.trim().replaceAll('\r\n', '\n'), 'Hällo\n.\nFrom here');
  assert.equal(message.html.trim(), '<p>Hällo</p>');
  assert.match(message.to, /<zoe@example.com>, plain@example.com/);
  assert.deepEqual([message.cc, message.bcc], ['copy@example.com', 'hidden@example.com']);
  assert.deepEqual(message.attachments, [
    { part_id: '1', name: 'Übersicht.bin', mime_type: 'application/x-thing', size: 5 },
  ]);
  assert.equal((await call('get_attachment', { message_id: id, part_id: '1' })).data, data);
  assert.ok(!message.headers.some(({ name }) => name === 'From'), 'the sender is Gmail’s to say');
});

test('a mail needs somebody to go to', async () => {
  await assert.rejects(call('send_message', { subject: 'x' }), {
    code: 'bad_arguments',
    message: /must name somebody/,
  });
});

test('reply: to the sender, threaded', async () => {
  const last = await ofTalk(3);
  const { id, thread_id } = await call('reply', { message_id: last.id, text: 'yes' });
  assert.equal(thread_id, last.thread_id);
  const lines = await sent(id);
  assert.equal(header(lines, 'To'), 'Friend of alice <friend@alice.example>');
  assert.equal(header(lines, 'Subject'), 'Re: Talk of alice');
  assert.equal(header(lines, 'In-Reply-To'), '<talk-3@alice.example>');
  assert.equal(header(lines, 'References'), '<talk-1@alice.example> <talk-2@alice.example> <talk-3@alice.example>');
  assert.equal(header(lines, 'Cc'), undefined);
  assert.equal((await call('get_thread', { thread_id })).messages.at(-1).id, id);
});

test('reply to all: everybody once, not oneself; Reply-To first; own mails to whom they went', async () => {
  const id = await receive([
    'From: "Evil, Bcc: x@y.z" <sender@example.com>',
    'Reply-To: list@example.com',
    'Message-ID: <m1@example.com>',
    'To: Alice <ALICE@gmail.example>, Bob <bob@example.com>',
    'Cc: list@example.com, "C, D" <cd@example.com>',
    'Subject: RE: it',
  ]);
  const answer = async (more) =>
    sent((await call('reply', { message_id: id, text: 'x', to_all: true, cc: ['more@example.com'], ...more })).id);
  const lines = await answer({ bcc: ['unseen@example.com'] });
  assert.equal(header(lines, 'To'), 'list@example.com');
  assert.equal(header(lines, 'Cc'), 'Bob <bob@example.com>, "C, D" <cd@example.com>, more@example.com');
  assert.equal(header(lines, 'Bcc'), 'unseen@example.com');
  assert.equal(header(lines, 'Subject'), 'RE: it');

  await call('modify_labels', { message_id: id, add: ['SENT'] });
  assert.equal(header(await answer(), 'To'), 'Alice <ALICE@gmail.example>, Bob <bob@example.com>');
});

test('drafts: written, listed, replaced in their thread, sent, deleted', async () => {
  const talk = await ofTalk(3);
  const first = await call('create_draft', { to: ['friend@alice.example'], text: 'one', in_reply_to: talk.id });
  assert.equal(first.thread_id, talk.thread_id);
  for (const subject of ['two', 'three']) await call('create_draft', { subject });
  const { items, pages } = await all(call, 'list_drafts', 'drafts', { limit: 2 });
  assert.deepEqual([items.length, pages], [3, 2]);
  assert.ok(items.some(({ message }) => message.subject === 'Re: Talk of alice' && message.snippet === 'one'));

  const { draft_id } = first;
  const replaced = await call('update_draft', {
    draft_id,
    to: ['other@alice.example'],
    subject: 'Re: Talk of alice',
    text: 'better',
  });
  assert.deepEqual([replaced.draft_id, replaced.thread_id], [draft_id, talk.thread_id]);
  assert.equal((await call('get_message', { message_id: replaced.message_id })).text.trim(), 'better');
  const { id } = await call('send_draft', { draft_id });
  const lines = await sent(id);
  assert.deepEqual(
    [header(lines, 'To'), header(lines, 'In-Reply-To')],
    ['other@alice.example', '<talk-3@alice.example>'],
  );
  await assert.rejects(call('send_draft', { draft_id }), { code: 'not_found' });

  const left = (await call('list_drafts')).drafts.map((draft) => draft.draft_id);
  assert.equal(left.length, 2);
  await assert.rejects(call('send_draft', { draft_id: left[0] }), { message: /Recipient address required/ });
  for (const one of left) assert.deepEqual(await call('delete_draft', { draft_id: one }), { deleted: one });
  assert.deepEqual(await call('list_drafts'), { drafts: [] });
});
