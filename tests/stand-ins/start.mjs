// For Node tests: a stand-in as a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts `<name>.mjs` and ends it after the test: its URL and its control. */
export async function startStandIn(test, name, args = []) {
  const program = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.after(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  const { url } = JSON.parse(line);
  const control = async (method, path, body) => {
    const response = await fetch(`${url}/_control/${path}`, { method, body: body && JSON.stringify(body) });
    if (!response.ok) throw new Error(`control: ${response.status}`);
    return response.json();
  };
  return {
    url,
    setTokens: (tokens) => control('PUT', 'tokens', tokens),
    calls: () => control('GET', 'calls'),
    forget: () => control('DELETE', 'calls'),
    fail: (fault) => control('POST', 'faults', fault),
    recover: () => control('DELETE', 'faults'),
  };
}
