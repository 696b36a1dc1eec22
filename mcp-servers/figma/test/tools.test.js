import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { figmaIds } from '../../../tests/stand-ins/figma/account.mjs';
import { fileScope } from '../../_shared/testing/service.js';
import { serviceFor } from './support.js';

const mine = figmaIds('alice');
const file = mine.file(0);
const scope = fileScope(after);
let figma;
let service;
let as;
let alice;
let bob;

before(async () => {
  ({ figma, service, as } = await serviceFor(scope));
  [alice, bob] = await Promise.all([as('alice'), as('bob')]);
});

test('get_me says whose it is', async () => {
  const { handle, email } = await alice.call('get_me');
  assert.deepEqual([handle, email], ['alice', 'alice@example.com']);
  assert.equal((await bob.call('get_me')).handle, 'bob');
});

test('list_projects and list_files: of a team in parts, of a project, of the team of the config', async () => {
  const { team, projects } = await alice.call('list_projects', { team_id: mine.team });
  assert.deepEqual([team, projects.length, projects[0].id], ['Team of alice', 12, mine.project(0)]);

  const first = await alice.call('list_files', { team_id: mine.team });
  assert.deepEqual([first.files.length, first.next_cursor, first.files[0].key], [10, '10', file]);
  const second = await alice.call('list_files', { team_id: mine.team, cursor: first.next_cursor });
  assert.deepEqual([second.files.length, second.next_cursor], [2, null]);
  const one = await alice.call('list_files', { project_id: mine.project(3) });
  assert.deepEqual(
    one.files.map(({ key }) => key),
    [mine.file(3)],
  );

  await assert.rejects(alice.call('list_files'), { code: 'bad_arguments', message: /which team/ });
  const configured = await as('alice', { team_id: mine.team });
  assert.equal((await configured.call('list_projects')).projects.length, 12);
});

test('what others have is not there', async () => {
  const theirs = [
    ['list_projects', { team_id: mine.team }],
    ['list_files', { project_id: mine.project(0) }],
    ['get_file', { file }],
    ['get_nodes', { file, ids: ['1:2'] }],
    ['export_assets', { file, ids: ['1:2'] }],
    ['get_image_fills', { file }],
    ['get_comments', { file }],
    ['post_comment', { file, message: 'x' }],
    ['list_components', { file }],
    ['list_styles', { team_id: mine.team }],
    ['get_versions', { file }],
  ];
  for (const [tool, input] of theirs) await assert.rejects(bob.call(tool, input), { code: 'not_found', status: 404 }, tool);
});

test('get_file: by key or address, as deep and as long as asked', async () => {
  const { pages, name, omitted_pages, components } = await alice.call('get_file', { file });
  assert.deepEqual([name, pages.length, omitted_pages], ['File 0 of alice', 2, 0]);
  assert.equal(components['1:2'].name, 'Button');
  const [button, hidden] = pages[0].children;
  assert.deepEqual(button, {
    id: '1:2',
    name: 'Button',
    type: 'FRAME',
    box: { x: 0, y: 0, width: 100, height: 40 },
    layout: 'HORIZONTAL',
  });
  assert.deepEqual([hidden.visible, hidden.fills, hidden.box], [false, ['IMAGE'], undefined]);

  const address = `https://www.figma.com/design/${file}/A-name?node-id=1-2`;
  assert.equal((await alice.call('get_file', { file: address, depth: 1 })).pages[0].children, undefined);
  const short = await alice.call('get_file', { file, depth: 5, limit: 2 });
  assert.deepEqual([short.pages[0].children.length, short.pages[0].omitted_children, short.omitted_pages], [1, 1, 1]);
  for (const wrong of ['../me', 'a b', ''])
    await assert.rejects(alice.call('get_file', { file: wrong }), { code: 'bad_arguments' });
});

test('get_nodes: texts, fonts and colors; what is missing is named', async () => {
  const { nodes, missing } = await alice.call('get_nodes', { file, ids: ['1-2', '9:9'] });
  assert.deepEqual(missing, ['9:9']);
  const [label] = nodes[0].children;
  assert.deepEqual([label.text, label.font, label.fills], ['Hello alice', 'Inter 400 12px', ['#ff0000']]);
});

test('export_assets and get_image_fills give addresses', async () => {
  const { images, failed } = await alice.call('export_assets', { file, ids: ['1:2', '1:4'], format: 'svg', scale: 2 });
  assert.deepEqual(images, [{ id: '1:2', url: `https://img.example/${file}/1:2@2.svg` }]);
  assert.deepEqual(failed, ['1:4']);
  assert.equal((await alice.call('get_image_fills', { file })).images[0].ref, 'ref1');
  await figma.fail({ kind: 'body', path: '/v1/images', body: { err: 'Render timeout', images: {} } });
  await assert.rejects(alice.call('export_assets', { file, ids: ['1:2'] }), /Render timeout/);
});

test('comments: post, pin, reply, list', async () => {
  const posted = await alice.call('post_comment', { file, message: 'Round it', node_id: '1-2' });
  assert.deepEqual([posted.message, posted.node_id, posted.user.handle], ['Round it', '1:2', 'alice']);
  const reply = await alice.call('post_comment', { file, message: 'Done', reply_to: posted.id });
  assert.equal(reply.parent_id, posted.id);
  assert.equal((await alice.call('get_comments', { file })).comments.length, 3);
  const { comments } = await alice.call('get_comments', { file, unresolved_only: true });
  assert.deepEqual(
    comments.map(({ message }) => message),
    ['Round it', 'Done'],
  );
  await assert.rejects(alice.call('post_comment', { file, message: 'x', reply_to: '99' }), /404: Comment not found/);
});

test('a comment is not posted twice when the answer is lost', async () => {
  await figma.forget();
  await figma.fail({ kind: 'reset', method: 'POST', path: 'comments' });
  await assert.rejects(alice.call('post_comment', { file, message: 'Once' }), { code: 'outside_unreachable' });
  assert.equal((await figma.calls()).length, 1);
});

test('list_components and list_styles: of a file, and of a team page by page', async () => {
  for (const kind of ['components', 'styles']) {
    assert.equal((await alice.call(`list_${kind}`, { file }))[kind].length, 2);
    const keys = [];
    for (let cursor; cursor !== null;) {
      const page = await alice.call(`list_${kind}`, { team_id: mine.team, page_size: 2, cursor });
      keys.push(...page[kind].map(({ key }) => key));
      cursor = page.next_cursor;
    }
    assert.deepEqual(
      keys,
      [1, 2, 3, 4, 5].map((n) => `${kind}${n}`),
    );
    await assert.rejects(alice.call(`list_${kind}`), { code: 'bad_arguments' });
  }
});

test('get_versions goes back page by page', async () => {
  const first = await alice.call('get_versions', { file, page_size: 3 });
  assert.deepEqual([first.versions.map(({ id }) => id), first.next_cursor], [['5', '4', '3'], '3']);
  const second = await alice.call('get_versions', { file, page_size: 3, cursor: first.next_cursor });
  assert.deepEqual([second.versions.map(({ id }) => id), second.next_cursor], [['2', '1'], null]);
});

test('a missing right is told from a bad token', async () => {
  const err = 'Invalid scope(s): file_comments:read. This endpoint requires the file_content:read scope';
  await figma.fail({ kind: 'status', status: 403, path: '/v1/files', body: { status: 403, err } });
  await assert.rejects(alice.call('get_file', { file }), {
    code: 'forbidden',
    message: /requires the file_content:read scope/,
  });
});

test('REST: paths, queries, lists, writing', async () => {
  const instance = service.instance({ credential: 'figd_alice' });
  const get = (path) => instance.request('GET', `/api${path}`);
  assert.equal((await get(`/files/${file}?depth=1`)).body.pages.length, 2);
  assert.equal((await get(`/files/${file}/nodes?ids=1:2,1:3`)).body.nodes.length, 2);
  assert.equal((await get(`/files?project_id=${mine.project(1)}`)).body.files.length, 1);
  const posted = await instance.request('POST', `/api/files/${file}/comments`, { message: 'By REST' });
  assert.equal(posted.body.message, 'By REST');
  assert.equal((await get(`/files/${figmaIds('bob').file(0)}`)).status, 404);
});
