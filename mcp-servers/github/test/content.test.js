import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { serviceFor, writeFile } from './support.js';

const file = fileScope(after);
let github;
let service;
let alice;
let bob;

before(async () => {
  ({ github, service, as: alice } = await serviceFor(file));
  bob = await alice('bob');
  alice = await alice('alice');
});

test('get_me says whose it is', async () => {
  assert.deepEqual(await alice.call('get_me').then(({ login, name }) => [login, name]), ['alice', 'Name of alice']);
  assert.equal((await bob.call('get_me')).login, 'bob');
});

test('list_repositories shows the own private ones, page by page', async () => {
  const names = [];
  for (let page = 1; page !== null;) {
    const answer = await alice.call('list_repositories', { per_page: 1, page });
    assert.equal(answer.items.length, 1);
    names.push(answer.items[0].full_name);
    page = answer.next_page;
  }
  assert.deepEqual(names.sort(), ['alice/private', 'alice/public']);
  const { items } = await alice.call('list_repositories', { owner: 'bob' });
  assert.ok(items.some(({ full_name }) => full_name === 'bob/public'));
});

test('get_repository: what the credential may see, and no more', async () => {
  const { private: isPrivate, default_branch } = await alice.call('get_repository', { owner: 'alice', repo: 'private' });
  assert.deepEqual([isPrivate, default_branch], [true, 'main']);
  await assert.rejects(alice.call('get_repository', { owner: 'bob', repo: 'private' }), /GitHub answered 40[34]/);
  await assert.rejects(alice.call('get_repository', { owner: 'bob', repo: 'none' }), { code: 'not_found', status: 404 });
  for (const owner of ['..', '.', 'a/b', 'a b', '']) {
    await assert.rejects(alice.call('get_repository', { owner, repo: 'user' }), { code: 'bad_arguments' });
  }
});

test('get_file: text, bytes, directories, nothing', async () => {
  const at = { owner: 'alice', repo: 'private' };
  const readme = await alice.call('get_file', { ...at, path: '/README.md' });
  assert.equal(readme.mime_type, 'text/markdown');
  assert.match(readme.text, /^# private\n/);

  const read = (path) => alice.client.callTool({ name: 'get_file', arguments: { ...at, path, ref: 'main' } });
  const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);
  const data = bytes.toString('base64');
  await writeFile(github, 'alice', 'alice/private', 'dir/a b#?.png', bytes);
  const image = await read('dir/a b#?.png');
  assert.deepEqual(image.content, [{ type: 'image', data, mimeType: 'image/png' }]);
  assert.equal(image.structuredContent.data, data);
  await writeFile(github, 'alice', 'alice/private', 'program', bytes);
  const { type, resource } = (await read('program')).content[0];
  assert.deepEqual([type, resource.mimeType, resource.blob], ['resource', 'application/octet-stream', data]);

  await assert.rejects(alice.call('get_file', { ...at, path: 'dir' }), /use list_directory/);
  await assert.rejects(alice.call('get_file', { ...at, path: 'none.txt' }), { code: 'not_found' });
  await assert.rejects(alice.call('get_file', { ...at, path: '../../../user' }), /\. or \.\./);
  await assert.rejects(bob.call('get_file', { ...at, path: 'README.md' }), /GitHub answered 40[34]/);
});

test('get_file refuses a large file with its address', async () => {
  const large = {
    type: 'file',
    name: 'l',
    path: 'l',
    size: 2_000_000,
    sha: '0',
    html_url: 'https://x/l',
    content: '',
    encoding: 'none',
  };
  await github.fail({ kind: 'body', path: 'contents', body: large });
  const refused = alice.call('get_file', { owner: 'alice', repo: 'private', path: 'l' });
  await assert.rejects(refused, { code: 'too_large', message: /2000000 bytes.*https:\/\/x\/l/ });
});

test('list_directory: the root, one below, no file', async () => {
  await writeFile(github, 'alice', 'alice/public', 'src/main.rs', 'fn main() {}');
  const list = async (path) =>
    (await alice.call('list_directory', { owner: 'alice', repo: 'public', path })).items.map(
      ({ name, type }) => `${type} ${name}`,
    );
  assert.deepEqual((await list(undefined)).sort(), ['dir src', 'file README.md']);
  assert.deepEqual(await list('src/'), ['file main.rs']);
  await assert.rejects(list('README.md'), /read it with get_file/);
});

test('search_code and search_repositories find what may be seen', async () => {
  await writeFile(github, 'alice', 'alice/private', 'needle.txt', 'a very rare needle');
  const hit = await alice.call('search_code', { query: 'rare needle' });
  assert.deepEqual([hit.total_count, hit.next_page, hit.items[0].path], [1, null, 'needle.txt']);
  assert.equal((await bob.call('search_code', { query: 'rare needle' })).total_count, 0);
  const found = await bob.call('search_repositories', { query: 'user:alice', per_page: 1 });
  assert.equal(found.items[0].full_name, 'alice/public');
});

test('REST: paths, queries and types', async () => {
  const instance = service.instance({ credential: 'ghp_alice' });
  const get = (path) => instance.request('GET', `/api${path}`);
  assert.equal((await get('/repositories?per_page=1')).body.items.length, 1);
  assert.match((await get('/repositories/alice/private/files/README.md')).body.text, /private/);
  assert.ok((await get('/repositories/alice/public/directories/')).body.items.length > 0);
  assert.equal((await get('/repositories?per_page=many')).status, 400);
  assert.equal((await get('/repositories/alice/none')).status, 404);
  assert.equal((await get('/repositories/alice/private/files/%zz')).status, 400);
});
