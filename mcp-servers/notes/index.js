// The notes service: one notebook, spoken to by MCP at /mcp and by REST at /api/notes.
import { Notebook } from './api/notebook.js';
import { createApp } from './endpoints/app.js';
import { log } from './utils/log.js';
import { readSettings } from './utils/settings.js';

/** How long open requests may take to end after SIGTERM. */
const GRACE_MS = 5000;

const settings = readSettings(process.env);
const notebook = await Notebook.open(settings.folder);
const app = createApp(notebook, settings);

app.server.listen(settings.port, settings.host, () => {
  const { address, port } = app.server.address();
  log('listening', { address, port, notes: notebook.size });
});

app.server.on('error', (error) => {
  log('cannot listen', { port: settings.port, error: error.message });
  process.exit(1);
});

let stopping = false;
async function stop(signal) {
  if (stopping) return;
  stopping = true;
  log('stopping', { signal });
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  await app.close();
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
