// Every tool, against the stand-in, through a client of the official SDK.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { USER_TOKEN, serviceFor } from './support.js';

const GENERAL = 'CALICE0';
const file = fileScope(after);
let connect;
let client;
let call;

before(async () => {
  ({ connect } = await serviceFor(file));
  ({ client, call } = await connect());
});

/** All pages of a list, and how many there were. */
async function all(tool, name, input, by = call) {
  const items = [];
  let pages = 0;
  let cursor;
  do {
    const page = await by(tool, { ...input, ...(cursor && { cursor }) });
    items.push(...page[name]);
    cursor = page.next;
    pages += 1;
  } while (cursor);
  return { items, pages };
}

test('auth_info says whose token it is', async () => {
  const mine = {
    workspace: 'Team alice',
    workspace_id: 'TALICE',
    url: 'https://alice.slack.com/',
    user: 'bot-of-alice',
    user_id: 'UALICE0',
  };
  assert.deepEqual(await call('auth_info'), { ...mine, is_bot: true });
  assert.equal((await (await connect(USER_TOKEN)).call('auth_info')).is_bot, false);
});

test('channels come in pages, of the kinds that are asked for', async () => {
  const open = await all('list_channels', 'channels', { limit: 3 });
  assert.deepEqual([open.items.length, open.pages], [10, 4]);
  assert.equal(new Set(open.items.map(({ id }) => id)).size, 10);
  const names = async (input) => (await all('list_channels', 'channels', input)).items.map(({ name }) => name);
  assert.deepEqual(await names({ kinds: ['private'] }), ['private-of-alice']);
  assert.ok((await names({ include_archived: true })).includes('old'));
  const channel = await call('get_channel', { channel: GENERAL });
  assert.deepEqual(
    [channel.name, channel.topic, channel.kind, channel.members],
    ['general', 'topic of alice', 'public', 3],
  );
});

test('history and threads come in pages, within times', async () => {
  const { items, pages } = await all('read_channel_history', 'messages', { channel: GENERAL, limit: 5 });
  assert.deepEqual([items.length, pages, items[0].text, items[0].reply_count], [13, 3, 'question of alice', 5]);
  const thread = await all('read_thread', 'messages', { channel: GENERAL, ts: items[0].ts, limit: 4 });
  assert.deepEqual([thread.items.length, thread.pages, thread.items[5].text], [6, 2, 'answer 4']);
  const between = await call('read_channel_history', { channel: GENERAL, oldest: items[4].ts, latest: items[1].ts });
  assert.deepEqual(
    between.messages.map(({ ts }) => ts),
    [items[2].ts, items[3].ts],
  );
});

test('a message is sent, answered, reacted to, changed and deleted', async () => {
  const sent = await call('send_message', { channel: GENERAL, text: 'hello & <world>' });
  const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: '*reply*' } }];
  const reply = await call('send_message', { channel: GENERAL, text: 'reply', thread_ts: sent.ts, blocks });
  assert.deepEqual(await call('add_reaction', { ...sent, name: ':tada:' }), { ...sent, name: 'tada' });
  const thread = async () => (await call('read_thread', sent)).messages;
  assert.deepEqual((await thread())[0].reactions, [{ name: 'tada', count: 1, users: ['UALICE0'] }]);
  assert.deepEqual((await thread())[1].blocks, blocks);
  await assert.rejects(call('add_reaction', { ...sent, name: 'tada' }), {
    code: 'conflict',
    message: /already_reacted.*nothing to do/,
  });
  await call('remove_reaction', { ...sent, name: 'tada' });
  assert.deepEqual(await call('update_message', { ...sent, text: 'changed' }), sent);
  const [changed] = await thread();
  assert.deepEqual([changed.text, changed.is_edited, changed.reactions], ['changed', true, []]);
  await call('delete_message', reply);
  assert.equal((await thread()).length, 1);
  await call('delete_message', sent);
  await assert.rejects(call('read_thread', sent), { code: 'not_found' });
});

test('people are listed, found by id and address, and written to', async () => {
  const { items, pages } = await all('list_users', 'users', { limit: 5 });
  assert.deepEqual([items.length, pages, items[0].is_bot, items[11].is_deleted], [12, 3, true, true]);
  const found = await call('get_user', { user: 'owner@alice.example' });
  assert.deepEqual(found, await call('get_user', { user: found.id }));
  assert.deepEqual([found.name, found.is_admin], ['owner-of-alice', true]);
  const group = await call('open_direct_message', { users: [items[2].id, items[3].id] });
  const first = await call('open_direct_message', { users: [found.id] });
  assert.notEqual(first.channel, group.channel);
  assert.deepEqual(await call('open_direct_message', { users: [found.id] }), { ...first, was_open: true });
  const { ts } = await call('send_message', { channel: first.channel, text: 'psst' });
  const { messages } = await call('read_channel_history', { channel: first.channel });
  assert.deepEqual(
    messages.map((message) => message.ts),
    [ts],
  );
  assert.equal((await call('get_channel', { channel: first.channel })).user, found.id);
});

test('messages are searched with a user token alone, page by page', async () => {
  const user = await connect(USER_TOKEN);
  const { items, pages } = await all('search_messages', 'matches', { query: 'message alice', limit: 5 }, user.call);
  assert.deepEqual([items.length, pages, items[0].channel_name], [12, 3, 'general']);
  await assert.rejects(user.call('search_messages', { query: 'x', cursor: 'page:x' }), /cursor: must be/);
  await assert.rejects(call('search_messages', { query: 'x' }), {
    code: 'forbidden',
    message: /not_allowed_token_type.*user token/,
  });
});

test('files are listed and read: texts, pictures, not too large ones', async () => {
  const { items, pages } = await all('list_files', 'files', { limit: 3 });
  assert.deepEqual([items.length, pages], [7, 3]);
  assert.equal((await call('list_files', { channel: 'CALICE1' })).total, 0);
  const read = (name) =>
    client.callTool({ name: 'read_file', arguments: { file: items.find((file) => file.name === name).id } });
  const notes = await read('notes.txt');
  assert.equal(notes.structuredContent.text, 'notes of alice\nwith umlauts: äöü\n');
  assert.deepEqual(notes.content, [{ type: 'text', text: notes.structuredContent.text }]);
  const picture = await read('pixel.png');
  assert.deepEqual([...Buffer.from(picture.structuredContent.data, 'base64')], [0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 255]);
  assert.deepEqual(picture.content, [{ type: 'image', mimeType: 'image/png', data: picture.structuredContent.data }]);
  const huge = await read('huge.bin');
  assert.equal(huge.isError, true);
  assert.match(huge.content[0].text, /huge.bin has 6291456 bytes/);
});
