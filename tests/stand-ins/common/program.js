import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';

/**
 * Runs `start` when `module` is the program itself: `--port N`, `--token TOKEN=ACCOUNT` (any number of them) and
 * what `options` adds. Prints one line of JSON, `{"name", "port", "url"}`, once it listens; ends on SIGTERM.
 */
export async function runAsProgram(module, start, options = {}) {
  if (module.url !== pathToFileURL(process.argv[1] ?? '').href) return;
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      token: { type: 'string', multiple: true, default: [] },
      ...options,
    },
  });
  const tokens = Object.fromEntries(values.token.map((pair) => pair.split(/=(?=[^=]*$)/)));
  const standIn = await start({ ...values, port: Number(values.port), tokens });
  console.log(JSON.stringify({ name: standIn.api.name, port: standIn.port, url: standIn.url }));
  const stop = () => standIn.close().then(() => process.exit(0));
  process.on('SIGTERM', stop).on('SIGINT', stop);
}
