// For tests: a service as a process of its own, asked as the gateway asks it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes, randomUUID } from 'node:crypto';

/**
 * Starts `entry` on a free port with a gateway secret, and ends it after the test.
 * @returns {Promise<{url: string, log: () => string, child: import('node:child_process').ChildProcess, instance: Function}>}
 */
export async function startService(test, entry, env = {}) {
  const secret = randomBytes(24).toString('hex');
  const child = spawn(process.execPath, [entry], {
    env: { PATH: process.env.PATH, PORT: '0', BERTH_GATEWAY_SECRET: secret, LOG_LEVEL: 'debug', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  test.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  const listening = /"event":"listening".*"port":(\d+)/;
  while (!listening.test(log)) {
    if (child.exitCode !== null) throw new Error(`the service ended: ${log}`);
    await Promise.race([once(child.stderr, 'data'), once(child, 'exit')]);
  }
  const url = `http://127.0.0.1:${listening.exec(log)[1]}`;
  return { url, child, secret, log: () => log, instance: (options) => instanceOf(url, secret, options) };
}

/** What lasts as long as a test file: hand it on in place of a test. `after` is that of node:test. */
export function fileScope(after) {
  const ends = [];
  after(() => ends.forEach((end) => end()));
  return { after: (end) => ends.push(end) };
}

const encode = (text) => Buffer.from(text).toString('base64url');

/** One instance of the service: its URL and what the gateway sends with each request. */
function instanceOf(url, secret, { credential, config, id = randomUUID() } = {}) {
  const headers = { 'x-berth-gateway': secret, 'x-berth-instance': id };
  if (credential !== undefined) headers['x-berth-credential'] = encode(credential);
  if (config !== undefined) headers['x-berth-config'] = encode(JSON.stringify(config));
  const request = async (method, path, body, more = {}) => {
    const response = await fetch(`${url}/${id}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json().catch(() => undefined) };
  };
  return { id, url: `${url}/${id}`, headers, request };
}

/** Protocol eras, as the client's `versionNegotiation`. */
export const ERAS = [
  ['legacy', { mode: 'legacy' }],
  ['modern', { mode: { pin: '2026-07-28' } }],
];

/** A client of the official SDK (handed in: this folder has no packages) for one instance. */
export async function connectClient(
  test,
  { Client, StreamableHTTPClientTransport },
  instance,
  versionNegotiation = ERAS[1][1],
) {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation });
  const transport = new StreamableHTTPClientTransport(new URL(`${instance.url}/mcp`), {
    requestInit: { headers: instance.headers },
  });
  await client.connect(transport);
  test.after(() => client.close());
  await client.listTools(); // so that the client checks results against the output schemas
  return {
    client,
    /** The structured result; throws the text of a tool error. */
    call: async (name, input = {}) => {
      const result = await client.callTool({ name, arguments: input });
      if (result.isError) throw Object.assign(new Error(result.content[0].text), result._meta?.['berth/problem']);
      return result.structuredContent;
    },
  };
}
