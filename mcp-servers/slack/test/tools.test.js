// Every tool, against the stand-in, through a client of the official SDK.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ERAS } from '../../_shared/testing/service.js';
import { failure, slackFor } from './support.js';

const GENERAL = 'CALICE0';
const TOOLS = [
  'add_reaction', 'auth_info', 'delete_message', 'get_channel', 'get_user', 'list_channels', 'list_files', 'list_users',
  'open_direct_message', 'read_channel_history', 'read_file', 'read_thread', 'remove_reaction', 'search_messages',
  'send_message', 'update_message',
];

/** All pages of a list, and how many there were. */
async function all(call, tool, name, input) {
  const items = [];
  let pages = 0;
  let cursor;
  do {
    const page = await call(tool, { ...input, ...(cursor && { cursor }) });
    items.push(...page[name]);
    cursor = page.next;
    pages += 1;
  } while (cursor);
  return { items, pages };
}

for (const [era, negotiation] of ERAS) {
  test(`${era}: tools are listed in full, and answer`, async (t) => {
    const { connect } = await slackFor(t);
    const { client, call } = await connect('alice', { era: negotiation });
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name).sort(), TOOLS);
    for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
      assert.ok(title && description.length > 20, name);
      assert.equal(inputSchema.type, 'object', name);
      assert.equal(outputSchema.type, 'object', name);
      assert.equal(typeof annotations.readOnlyHint, 'boolean', name);
      assert.equal(annotations.openWorldHint, true, name);
    }
    assert.deepEqual(await call('auth_info'), {
      workspace: 'Team alice', workspace_id: 'TALICE', url: 'https://alice.slack.com/', user: 'bot-of-alice', user_id: 'UALICE0', is_bot: true,
    });
  });
}

test('channels come in pages, of the kinds that are asked for', async (t) => {
  const { call } = await (await slackFor(t)).connect();
  const open = await all(call, 'list_channels', 'channels', { limit: 3 });
  assert.deepEqual([open.items.length, open.pages], [10, 4]);
  assert.equal(new Set(open.items.map(({ id }) => id)).size, 10);
  const names = async (input) => (await all(call, 'list_channels', 'channels', input)).items.map(({ name }) => name);
  assert.deepEqual(await names({ kinds: ['private'] }), ['private-of-alice']);
  assert.ok((await names({ include_archived: true })).includes('old'));
  const channel = await call('get_channel', { channel: GENERAL });
  assert.deepEqual([channel.name, channel.topic, channel.kind, channel.members], ['general', 'topic of alice', 'public', 3]);
});

test('history and threads come in pages, within times', async (t) => {
  const { call } = await (await slackFor(t)).connect();
  const { items, pages } = await all(call, 'read_channel_history', 'messages', { channel: GENERAL, limit: 5 });
  assert.deepEqual([items.length, pages, items[0].text, items[0].reply_count], [13, 3, 'question of alice', 5]);
  const thread = await all(call, 'read_thread', 'messages', { channel: GENERAL, ts: items[0].ts, limit: 4 });
  assert.deepEqual([thread.items.length, thread.pages, thread.items[5].text], [6, 2, 'answer 4']);
  const between = await call('read_channel_history', { channel: GENERAL, oldest: items[4].ts, latest: items[1].ts });
  assert.deepEqual(between.messages.map(({ ts }) => ts), [items[2].ts, items[3].ts]);
});

test('a message is sent, answered, reacted to, changed and deleted', async (t) => {
  const { call } = await (await slackFor(t)).connect();
  const sent = await call('send_message', { channel: GENERAL, text: 'hello & <world>' });
  const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: '*reply*' } }];
  const reply = await call('send_message', { channel: GENERAL, text: 'reply', thread_ts: sent.ts, blocks });
  assert.deepEqual(await call('add_reaction', { ...sent, name: ':tada:' }), { ...sent, name: 'tada' });
  const thread = async () => (await call('read_thread', sent)).messages;
  assert.deepEqual((await thread())[0].reactions, [{ name: 'tada', count: 1, users: ['UALICE0'] }]);
  assert.deepEqual((await thread())[1].blocks, blocks);
  assert.match((await failure(call('add_reaction', { ...sent, name: 'tada' }))).message, /already_reacted.*nothing to do/);
  await call('remove_reaction', { ...sent, name: 'tada' });
  assert.deepEqual(await call('update_message', { ...sent, text: 'changed' }), sent);
  const [changed] = await thread();
  assert.deepEqual([changed.text, changed.is_edited, changed.reactions], ['changed', true, []]);
  await call('delete_message', reply);
  assert.equal((await thread()).length, 1);
  await call('delete_message', sent);
  assert.equal((await failure(call('read_thread', sent))).code, 'not_found');
});

test('people are listed, found by id and address, and written to', async (t) => {
  const { call } = await (await slackFor(t)).connect();
  const { items, pages } = await all(call, 'list_users', 'users', { limit: 5 });
  assert.deepEqual([items.length, pages, items[0].is_bot, items[11].is_deleted], [12, 3, true, true]);
  const found = await call('get_user', { user: 'owner@alice.example' });
  assert.deepEqual(found, await call('get_user', { user: found.id }));
  assert.deepEqual([found.name, found.is_admin], ['owner-of-alice', true]);
  const first = await call('open_direct_message', { users: [found.id] });
  assert.deepEqual(await call('open_direct_message', { users: [found.id] }), { ...first, was_open: true });
  const { ts } = await call('send_message', { channel: first.channel, text: 'psst' });
  const { messages } = await call('read_channel_history', { channel: first.channel });
  assert.deepEqual(messages.map((message) => message.ts), [ts]);
  assert.equal((await call('get_channel', { channel: first.channel })).user, found.id);
});

test('messages are searched with a user token alone, page by page', async (t) => {
  const { connect } = await slackFor(t);
  const { call } = await connect('alice', { kind: 'xoxp' });
  const { items, pages } = await all(call, 'search_messages', 'matches', { query: 'message alice', limit: 5 });
  assert.deepEqual([items.length, pages, items[0].channel_name], [12, 3, 'general']);
  assert.match((await failure(call('search_messages', { query: 'x', cursor: 'page:x' }))).message, /cursor: must be/);
  const bot = await connect('alice');
  assert.match((await failure(bot.call('search_messages', { query: 'x' }))).message, /not_allowed_token_type.*user token/);
});

test('files are listed and read: texts, pictures, not too large ones', async (t) => {
  const { client, call } = await (await slackFor(t)).connect();
  const { items, pages } = await all(call, 'list_files', 'files', { limit: 3 });
  assert.deepEqual([items.length, pages], [7, 3]);
  assert.equal((await call('list_files', { channel: 'CALICE1' })).total, 0);
  const read = (name) => client.callTool({ name: 'read_file', arguments: { file: items.find((file) => file.name === name).id } });
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
