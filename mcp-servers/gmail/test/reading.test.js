// Tools that read and sort, against the stand-in, through a client of the official SDK.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { all, serviceFor } from './support.js';

const file = fileScope(after);
let gmail;
let arrange;
let client;
let call;

before(async () => {
  let as;
  ({ gmail, as, arrange } = await serviceFor(file));
  ({ client, call } = await as('alice'));
});

const idOf = async (query) => (await call('search_messages', { query })).messages[0].id;

test('get_profile says whose mailbox it is', async () => {
  assert.deepEqual(await call('get_profile'), { address: 'alice@gmail.example', messages: 16, threads: 14 });
});

test('list_messages: newest first, page by page, by labels', async () => {
  const { items, pages } = await all(call, 'list_messages', 'messages', { limit: 6 });
  assert.deepEqual([items.length, pages], [15, 3]);
  assert.equal(new Set(items.map(({ id }) => id)).size, 15);
  const [newest] = items;
  assert.deepEqual(
    [newest.subject, newest.is_unread, newest.from],
    ['Re: Talk of alice', true, 'Friend of alice <friend@alice.example>'],
  );
  assert.ok(items.every((message, n) => n === 0 || message.date < items[n - 1].date));
  const unread = await call('list_messages', { labels: ['INBOX', 'UNREAD'] });
  assert.deepEqual([unread.messages.length, unread.next], [7, undefined]);
  assert.equal((await call('list_messages', { labels: [] })).messages.length, 16);
  assert.deepEqual((await call('list_messages', { labels: ['Label_1'] })).messages, []);
});

test('search_messages finds in Gmail’s own words, page by page', async () => {
  const { items, pages } = await all(call, 'search_messages', 'messages', { query: 'subject:letter', limit: 5 });
  assert.deepEqual([items.length, pages, items[0].subject], [12, 3, 'Letter 11 für alice']);
  assert.equal((await call('search_messages', { query: 'has:attachment' })).messages.length, 1);
  assert.deepEqual(await call('search_messages', { query: 'nothing of this kind' }), { messages: [] });
});

test('a message that goes away while a list is made is left out', async () => {
  await gmail.fail({ kind: 'status', status: 404, path: 'messages/m', body: { error: { message: 'gone' } } });
  assert.equal((await call('list_messages', { limit: 5 })).messages.length, 4);
});

test('get_message: bodies decoded, from any charset', async () => {
  const message_id = await idOf('subject:letter');
  const message = await call('get_message', { message_id });
  assert.deepEqual([message.text.trim(), message.html, message.is_cut], ['Grüße 11 an alice', undefined, false]);
  assert.equal(message.message_id, '<letter-11@alice.example>');
  const whole = await call('get_message', { message_id, include_html: true, include_headers: true });
  assert.equal(whole.html, '<p>Grüße 11 an <b>alice</b></p>');
  assert.ok(whole.headers.some(({ name, value }) => name === 'MIME-Version' && value === '1.0'));

  const body = { size: 6, data: Buffer.from('Gr\xfc\xdfe', 'latin1').toString('base64url') };
  const part = (type) => ({ mimeType: 'text/plain', headers: [{ name: 'Content-Type', value: type }], body });
  for (const type of ['text/plain; charset=iso-8859-1', 'text/plain', 'text/plain; charset=nonsense']) {
    await gmail.fail({ kind: 'body', path: 'messages/x', body: { id: 'x', threadId: 'x', payload: part(type) } });
    assert.equal((await call('get_message', { message_id: 'x' })).text, 'Grüße');
  }
  const long = Buffer.from('x'.repeat(150_000)).toString('base64url');
  const payload = { mimeType: 'text/html', body: { size: 150_000, data: long } };
  await gmail.fail({
    kind: 'body',
    path: 'messages/x',
    body: { id: 'x', threadId: 'x', snippet: '&lt;b&gt; &#39;x&#39; &amp;lt;', payload },
  });
  const cut = await call('get_message', { message_id: 'x' });
  assert.deepEqual([cut.html.length, cut.is_cut, cut.snippet], [100_000, true, "<b> 'x' &lt;"]);
});

test('get_attachment: listed, read, refused when too large', async () => {
  const message_id = await idOf('has:attachment');
  const { attachments, text } = await call('get_message', { message_id });
  assert.deepEqual(attachments, [{ part_id: '1', name: 'report.pdf', mime_type: 'application/pdf', size: 13 }]);
  assert.equal(text, 'See the attachment.');
  const read = await client.callTool({ name: 'get_attachment', arguments: { message_id, part_id: '1' } });
  const blob = Buffer.from('%PDF of alice').toString('base64');
  assert.equal(read.structuredContent.data, blob);
  const resource = { uri: `gmail-attachment:///${message_id}/1`, mimeType: 'application/pdf', blob };
  assert.deepEqual(read.content, [{ type: 'resource', resource }]);
  await assert.rejects(call('get_attachment', { message_id, part_id: '7' }), {
    code: 'not_found',
    message: /get_message lists them/,
  });
  await assert.rejects(call('get_attachment', { message_id, part_id: '0' }), { code: 'not_found' });
  const huge = {
    partId: '1',
    filename: 'huge.bin',
    mimeType: 'application/zip',
    body: { size: 9_000_000, attachmentId: 'A' },
  };
  await gmail.fail({ kind: 'body', path: 'messages/x', body: { id: 'x', payload: { parts: [huge] } } });
  await assert.rejects(call('get_attachment', { message_id: 'x', part_id: '1' }), {
    code: 'too_large',
    message: /huge.bin has 9000000 bytes/,
  });
});

test('threads: listed page by page, read oldest first', async () => {
  const { items, pages } = await all(call, 'list_threads', 'threads', { limit: 5 });
  assert.deepEqual([items.length, pages], [14, 3]);
  const [talk] = items;
  assert.deepEqual([talk.subject, talk.messages, talk.is_unread, talk.from.length], ['Talk of alice', 3, true, 1]);
  const { messages } = await call('get_thread', { thread_id: talk.id });
  assert.deepEqual(
    messages.map(({ text }) => text),
    ['talk 1 of alice', 'talk 2 of alice', 'talk 3 of alice'],
  );
  const found = await call('list_threads', { query: 'subject:letter', labels: ['UNREAD'] });
  assert.equal(found.threads.length, 6);
  await assert.rejects(call('get_thread', { thread_id: 'none' }), { code: 'not_found' });
});

test('labels: listed, made, put on and taken off', async () => {
  const names = async () => (await call('list_labels')).labels.map(({ name, kind }) => `${kind} ${name}`);
  assert.ok((await names()).includes('own Of alice') && (await names()).includes('system INBOX'));
  const label = await call('create_label', { name: 'Work/Berlin' });
  assert.deepEqual([label.name, label.kind], ['Work/Berlin', 'own']);
  await assert.rejects(call('create_label', { name: 'Work/Berlin' }), {
    code: 'conflict',
    message: /exists or conflicts/,
  });
  const message_id = await idOf('is:unread');
  const { labels } = await call('modify_labels', { message_id, add: [label.id], remove: ['UNREAD'] });
  assert.ok(labels.includes(label.id) && !labels.includes('UNREAD'));
  assert.equal((await call('list_messages', { labels: [label.id] })).messages[0].id, message_id);
  await assert.rejects(call('modify_labels', { message_id, add: ['Label_9'] }), { message: /Invalid label: Label_9/ });
});

test('trash and back', async () => {
  const message_id = await idOf('subject:letter');
  assert.ok((await call('trash_message', { message_id })).labels.includes('TRASH'));
  assert.notEqual(await idOf('subject:letter'), message_id);
  const hidden = await call('search_messages', { query: 'subject:letter', include_spam_and_trash: true });
  assert.equal(hidden.messages[0].id, message_id);
  assert.ok(!(await call('untrash_message', { message_id })).labels.includes('TRASH'));
  assert.equal(await idOf('subject:letter'), message_id);
  assert.equal((await arrange(`messages/${message_id}`)).labelIds.length, 0);
});

test('ids are ids', async () => {
  for (const message_id of ['', '..', '../drafts', 'a/b', 'a?b', 'a%2fb']) {
    await assert.rejects(call('get_message', { message_id }), { code: 'bad_arguments' });
  }
  await assert.rejects(call('get_message', { message_id: 'none' }), {
    code: 'not_found',
    status: 404,
    message: /Requested entity was not found/,
  });
  await assert.rejects(call('list_messages', { cursor: 'mine' }), { status: 400, message: /Invalid pageToken/ });
});
