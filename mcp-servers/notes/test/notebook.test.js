import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';

import { MAX_TEXT_CHARACTERS, Notebook } from '../api/notebook.js';
import { folderFor } from './support.js';

test('keeps notes over a restart', async (t) => {
  const folder = await folderFor(t);
  const first = await Notebook.open(folder);
  const note = await first.add({ title: ' Milk ', text: 'two bottles' });
  await first.delete((await first.add({ title: 'gone', text: '' })).id);
  const second = await Notebook.open(folder);
  assert.deepEqual(second.read(note.id), { ...note, title: 'Milk' });
  assert.deepEqual(second.list().map(({ title }) => title), ['Milk']);
});

test('finds every word in title or text, in any case', async (t) => {
  const notebook = await Notebook.open(await folderFor(t));
  await notebook.add({ title: 'Shopping', text: 'Milk and bread' });
  await notebook.add({ title: 'Work', text: 'bread and butter' });
  const titles = (query) => notebook.search(query).map(({ title }) => title).sort();
  assert.deepEqual(titles('BREAD'), ['Shopping', 'Work']);
  assert.deepEqual(titles('shopping milk'), ['Shopping']);
  assert.deepEqual(titles('tea'), []);
});

test('refuses what is no note', async (t) => {
  const notebook = await Notebook.open(await folderFor(t));
  const wrong = [{}, { title: '', text: '' }, { title: 'x' }, { title: 1, text: '' }, { title: 'x', text: 'y'.repeat(MAX_TEXT_CHARACTERS + 1) }];
  for (const note of wrong) await assert.rejects(notebook.add(note), { name: 'Problem', status: 400 });
  for (const id of ['', 'none', '../../etc/passwd', '__proto__']) {
    assert.throws(() => notebook.read(id), { name: 'Problem', status: 404 });
    await assert.rejects(notebook.delete(id), { status: 404 });
  }
});

test('leaves broken files out and removes half-written ones', async (t) => {
  const folder = await folderFor(t);
  const note = await (await Notebook.open(folder)).add({ title: 'kept', text: '' });
  await writeFile(join(folder, '0123456789ab.json'), '{"title":');
  await writeFile(join(folder, 'x.json.1.tmp'), 'half');
  await writeFile(join(folder, 'README'), 'not ours');
  const notebook = await Notebook.open(folder);
  assert.deepEqual(notebook.list().map(({ id }) => id), [note.id]);
  assert.deepEqual((await readdir(folder)).sort(), ['0123456789ab.json', 'README', `${note.id}.json`].sort());
});
