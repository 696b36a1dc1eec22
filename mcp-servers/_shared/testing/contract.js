// For tests: what every shared service must do, whatever it serves. A service calls `testContract` from
// one of its test files; its stand-in is one of tests/stand-ins.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ERAS, connectClient, fileScope, startService } from './service.js';

/** Small, so that no test waits for long. */
export const QUICK = { OUTSIDE_TIMEOUT_MS: '1500', OUTSIDE_MAX_WAIT_MS: '1500', OUTSIDE_MAX_RESPONSE_BYTES: '200000' };

/**
 * @param {object} about
 * @param {string} about.entry path of the service's index.js
 * @param {object} about.sdk `@modelcontextprotocol/client`
 * @param {(test) => Promise<object>} about.startStandIn with users alice and bob
 * @param {(standIn) => object} about.env the service's environment: where the stand-in is
 * @param {Record<'alice' | 'bob', string>} about.tokens their credentials
 * @param {{tool: string, input: object, rest: string, path: string, who: (result) => string, name: (login: string) => string}} about.probe
 *   a reading whose result tells whose it is: as tool, as REST path, the outside path it asks for, who it
 *   says, and what it says of a login
 */
export function testContract({ entry, sdk, startStandIn, env, tokens, probe }) {
  let service;
  let standIn;
  const file = fileScope(after);
  before(async () => {
    standIn = await startStandIn(file);
    service = await startService(file, entry, { ...QUICK, ...env(standIn) });
  });

  const instanceOf = (login) => service.instance({ credential: tokens[login] });
  const read = (instance) => instance.request('POST', '/mcp/call', { name: probe.tool, arguments: probe.input });
  /** The problem that a tool tells of: its text and what programs read. */
  async function problemOf(instance) {
    const { status, body } = await read(instance);
    assert.equal(status, 200);
    assert.equal(body.isError, true);
    return { text: body.content[0].text, ...body._meta['berth/problem'] };
  }
  const fail = (fault) => standIn.fail({ path: probe.path, ...fault });

  for (const [era, version] of ERAS) {
    test(`${era}: tools are listed whole and called`, async (t) => {
      const { client, call } = await connectClient(t, sdk, instanceOf('alice'), version);
      const { tools } = await client.listTools();
      for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
        assert.match(name, /^[a-z_]+$/);
        assert.ok(title && description.length > 20, `${name} has a title and a description`);
        assert.equal(inputSchema.additionalProperties, false, `${name} refuses unknown arguments`);
        assert.equal(outputSchema.type, 'object');
        assert.equal(typeof annotations.readOnlyHint, 'boolean');
        assert.equal(annotations.openWorldHint, true);
      }
      assert.equal(probe.who(await call(probe.tool, probe.input)), probe.name('alice'));
      await assert.rejects(call('no_such_tool'), { code: -32602 });
      await assert.rejects(call(probe.tool, { ...probe.input, nonsense: 1 }), { code: 'bad_arguments', message: /nonsense/ });
      const bare = await connectClient(t, sdk, service.instance(), version);
      await assert.rejects(bare.call(probe.tool, probe.input), { code: 'credential_missing', message: /no credential/ });
    });
  }

  test('only the gateway is served, and learns nothing when it errs', async () => {
    const alice = instanceOf('alice');
    const ask = async (headers, path = '/mcp/tools', id = alice.id) => {
      const response = await fetch(`${service.url}/${id}${path}`, { headers: { ...alice.headers, ...headers } });
      const text = await response.text();
      assert.ok(!text.includes(service.secret) && !text.includes(tokens.alice));
      return [response.status, JSON.parse(text).code];
    };
    const secret = service.secret;
    assert.deepEqual(await ask({}), [200, undefined]);
    for (const wrong of ['', 'x', secret.slice(1), `${secret}0`]) {
      for (const path of ['/mcp/tools', '/mcp', '/health', '/api/x', '/nowhere']) {
        assert.deepEqual(await ask({ 'x-berth-gateway': wrong }, path), [403, 'forbidden']);
      }
    }
    assert.deepEqual(await ask({}, '/mcp/tools', instanceOf('alice').id), [400, 'instance_mismatch']);
    assert.deepEqual(await ask({ 'x-berth-credential': '%%' }), [400, 'bad_header']);
    assert.deepEqual(await ask({ 'x-berth-config': Buffer.from('[]').toString('base64url') }), [400, 'bad_header']);
    assert.deepEqual(await ask({}, '/mcp/tools', 'not-an-id'), [404, 'not_found']);
    assert.deepEqual(await ask({}, '/nowhere'), [404, 'not_found']);
  });

  test('health of the process, and of an instance', async () => {
    const { status, service: name, version, uptime_seconds: uptime } = await (await fetch(`${service.url}/health`)).json();
    assert.deepEqual([status, typeof name, typeof version, typeof uptime], ['ok', 'string', 'string', 'number']);
    assert.equal((await instanceOf('alice').request('GET', '/health')).status, 200);
    const wrong = await service.instance({ credential: 'wrong' }).request('GET', '/health');
    assert.deepEqual([wrong.status, wrong.body.code], [424, 'credential_refused']);
  });

  test('REST and mcp/call answer as the tools do', async () => {
    const alice = instanceOf('alice');
    assert.equal(probe.who((await alice.request('GET', `/api${probe.rest}`)).body), probe.name('alice'));
    assert.equal(probe.who((await read(alice)).body.structuredContent), probe.name('alice'));
    assert.ok((await alice.request('GET', '/mcp/tools')).body.tools.length > 5);
    assert.equal((await alice.request('POST', '/mcp/call', { name: 'nothing' })).status, 404);
    assert.equal((await alice.request('GET', '/api/no/such/thing')).status, 404);
    assert.equal((await alice.request('DELETE', `/api${probe.rest}`)).status, 405);
    const wrong = await service.instance({ credential: 'wrong' }).request('GET', `/api${probe.rest}`);
    assert.deepEqual([wrong.status, wrong.body.code], [424, 'credential_refused']);
  });

  test('wrong, expired and revoked credentials are told as such', async () => {
    await standIn.setTokens({ 'tok-old': { login: 'alice', state: 'expired' }, 'tok-gone': { login: 'alice', state: 'revoked' } });
    for (const credential of ['tok-wrong', 'tok-old', 'tok-gone']) {
      const { text, code, status } = await problemOf(service.instance({ credential }));
      assert.deepEqual([code, status], ['credential_refused', 424]);
      assert.match(text, /(answered 40[13]|refused): .*new one/);
      assert.ok(!text.includes(credential), 'the credential is not echoed');
    }
    const unsendable = await problemOf(service.instance({ credential: 'two\nlines' }));
    assert.equal(unsendable.code, 'credential_refused');
    assert.ok(!unsendable.text.includes('lines'));
  });

  test('a rate limit is waited for when it is short, and told when it is long', async () => {
    const alice = instanceOf('alice');
    await standIn.forget();
    await fail({ kind: 'rate_limit', retry_after: 1 });
    const began = Date.now();
    assert.equal(probe.who((await read(alice)).body.structuredContent), probe.name('alice'));
    assert.ok(Date.now() - began >= 990, 'waited as asked');
    assert.equal((await standIn.calls()).length, 2);
    await fail({ kind: 'rate_limit', retry_after: 3000 });
    const { code, retry_after_seconds: wait, text } = await problemOf(alice);
    assert.deepEqual([code, wait], ['rate_limited', 3000]);
    assert.match(text, /Try again in 3000 s/);
    await fail({ kind: 'rate_limit', retry_after: 3000 });
    const rest = await alice.request('GET', `/api${probe.rest}`);
    assert.deepEqual([rest.status, rest.headers.get('retry-after')], [429, '3000']);
  });

  test('a passing failure is tried again, a lasting one told', async () => {
    const alice = instanceOf('alice');
    for (const fault of [{ kind: 'status', status: 503 }, { kind: 'reset' }]) {
      await fail(fault);
      assert.equal(probe.who((await read(alice)).body.structuredContent), probe.name('alice'));
    }
    await fail({ kind: 'status', status: 503, times: 3 });
    assert.deepEqual((await problemOf(alice)).code, 'outside_failed');
    await fail({ kind: 'reset', times: 3 });
    assert.deepEqual((await problemOf(alice)).code, 'outside_unreachable');
  });

  test('broken answers, too large ones, none, and ways to elsewhere', async () => {
    const alice = instanceOf('alice');
    const cases = [
      [{ kind: 'malformed' }, 'outside_malformed'],
      [{ kind: 'body', body: { nothing: 'of use' } }, 'outside_malformed'],
      [{ kind: 'oversize', bytes: 300_000 }, 'outside_too_large'],
      [{ kind: 'hang' }, 'outside_timeout'],
      [{ kind: 'redirect', to: 'http://127.0.0.1:1/elsewhere' }, 'outside_failed'],
    ];
    for (const [fault, code] of cases) {
      await fail(fault);
      const problem = await problemOf(alice);
      assert.equal(problem.code, code, problem.text);
      await standIn.recover();
    }
    assert.equal(probe.who((await read(alice)).body.structuredContent), probe.name('alice'));
  });

  test('a call ends when its caller goes away', async () => {
    const alice = instanceOf('alice');
    await fail({ kind: 'hang' });
    await standIn.forget();
    const gone = new AbortController();
    const call = fetch(`${alice.url}/api${probe.rest}`, { headers: alice.headers, signal: gone.signal });
    while ((await standIn.calls()).length === 0) await sleep(5);
    gone.abort();
    await assert.rejects(call);
    while (!service.log().includes('"code":"cancelled"')) await sleep(5);
  });

  test('50 calls at once of two users do not cross', async () => {
    const people = ['alice', 'bob'].map((login) => ({ login, instance: instanceOf(login) }));
    await standIn.forget();
    await fail({ kind: 'slow', ms: 20, times: 25 });
    const answers = Array.from({ length: 50 }, async (_, n) => {
      const { login, instance } = people[n % 2];
      const { body } = await read(instance);
      assert.ok(!body.isError, body.content[0].text);
      assert.equal(probe.who(body.structuredContent), probe.name(login));
    });
    await Promise.all(answers);
    const calls = await standIn.calls();
    for (const { token, login } of calls) assert.equal(tokens[login], token);
    assert.equal(calls.filter(({ login }) => login === 'bob').length, 25);
  });

  test('the log names no secret', () => {
    const log = service.log();
    assert.match(log, /"event":"call"/);
    for (const secret of [service.secret, ...Object.values(tokens)]) {
      assert.ok(!log.includes(secret) && !log.includes(Buffer.from(secret).toString('base64url')));
    }
  });

  test('without a secret it serves nobody; it ends when told, and says what is wrong with settings', async (t) => {
    const closed = await startService(t, entry, { ...env(standIn), BERTH_GATEWAY_SECRET: '' });
    assert.equal((await closed.instance().request('GET', '/mcp/tools')).status, 403);
    closed.child.kill('SIGTERM');
    assert.deepEqual(await once(closed.child, 'exit'), [0, null]);
    await assert.rejects(startService(t, entry, { PORT: 'x' }), /PORT must be a whole number/);
  });
}
