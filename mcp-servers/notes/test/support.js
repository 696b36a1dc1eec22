import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Notebook } from '../api/notebook.js';
import { createApp } from '../endpoints/app.js';
import { readSettings } from '../utils/settings.js';

/** A folder that is removed after the test. */
export async function folderFor(test) {
  const folder = await mkdtemp(join(tmpdir(), 'notes-'));
  test.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The service on a free port, closed after the test. */
export async function serviceFor(test, changes = {}) {
  const folder = await folderFor(test);
  const settings = { ...readSettings({ PORT: '0', NOTES_DIR: folder }), ...changes };
  const notebook = await Notebook.open(folder);
  const app = createApp(notebook, settings);
  await new Promise((resolve) => app.server.listen(0, settings.host, resolve));
  test.after(() => app.close());
  return { notebook, folder, port: app.server.address().port, url: `http://127.0.0.1:${app.server.address().port}` };
}
