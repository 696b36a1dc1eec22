// For tests: what every shared service must do, whatever it serves. A service calls `testContract` from
// one of its test files; its stand-in is one of tests/stand-ins.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';

import { testFailures } from './failures.js';
import { createRig } from './rig.js';
import { ERAS, connectClient, startService } from './service.js';

export { QUICK } from './rig.js';

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
export function testContract(about) {
  const { entry, sdk, env, tokens, probe } = about;
  const rig = createRig(about);
  testProtocol(rig, sdk);
  testGateway(rig);
  testFailures(rig);

  test('50 calls at once of two users do not cross', async (t) => {
    const ways = await Promise.all(['alice', 'bob'].map((login) => waysOf(t, rig, sdk, login)));
    await rig.standIn.forget();
    await rig.fail({ kind: 'slow', ms: 20, times: 25 });
    const answers = Array.from({ length: 50 }, async (_, n) => {
      const { login, ask } = ways.flat()[n % 4];
      assert.equal(probe.who(await ask()), probe.name(login));
    });
    await Promise.all(answers);
    const bobs = (await rig.standIn.calls()).filter(({ token }) => token === tokens.bob);
    assert.equal(bobs.length, 24);
  });

  test('the log names no secret', () => {
    const log = rig.service.log();
    assert.match(log, /"event":"call"/);
    for (const secret of [rig.service.secret, ...Object.values(tokens)]) {
      assert.ok(!log.includes(secret) && !log.includes(Buffer.from(secret).toString('base64url')));
    }
  });

  test('without a secret it serves nobody; it ends when told, and says what is wrong with settings', async (t) => {
    const closed = await startService(t, entry, { ...env(rig.standIn), BERTH_GATEWAY_SECRET: '' });
    assert.equal((await closed.instance().request('GET', '/mcp/tools')).status, 403);
    closed.child.kill('SIGTERM');
    assert.deepEqual(await once(closed.child, 'exit'), [0, null]);
    await assert.rejects(startService(t, entry, { PORT: 'x' }), /PORT must be a whole number/);
  });
}

/** The two ways in which a user asks: by MCP and by REST. */
async function waysOf(t, rig, sdk, login) {
  const { probe } = rig;
  const instance = rig.instanceOf(login);
  const { call } = await connectClient(t, sdk, instance);
  return [
    { login, ask: () => call(probe.tool, probe.input) },
    { login, ask: async () => (await instance.request('GET', `/api${probe.rest}`)).body },
  ];
}

function testProtocol(rig, sdk) {
  const { probe } = rig;
  for (const [era, version] of ERAS) {
    test(`${era}: tools are listed whole and called`, async (t) => {
      const { client, call } = await connectClient(t, sdk, rig.instanceOf('alice'), version);
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
      await assert.rejects(call(probe.tool, { ...probe.input, nonsense: 1 }), {
        code: 'bad_arguments',
        message: /nonsense/,
      });
      const bare = await connectClient(t, sdk, rig.service.instance(), version);
      await assert.rejects(bare.call(probe.tool, probe.input), { code: 'credential_missing', message: /no credential/ });
    });
  }
}

function testGateway(rig) {
  const { probe, tokens } = rig;

  test('only the gateway is served, and learns nothing when it errs', async () => {
    const alice = rig.instanceOf('alice');
    const ask = async (headers, path = '/mcp/tools', id = alice.id) => {
      const response = await fetch(`${rig.service.url}/${id}${path}`, { headers: { ...alice.headers, ...headers } });
      const text = await response.text();
      assert.ok(!text.includes(rig.service.secret) && !text.includes(tokens.alice));
      return [response.status, JSON.parse(text).code];
    };
    const secret = rig.service.secret;
    assert.deepEqual(await ask({}), [200, undefined]);
    for (const wrong of ['', 'x', secret.slice(1), `${secret}0`]) {
      for (const path of ['/mcp/tools', '/mcp', '/health', '/api/x', '/nowhere']) {
        assert.deepEqual(await ask({ 'x-berth-gateway': wrong }, path), [403, 'forbidden']);
      }
    }
    assert.deepEqual(await ask({}, '/mcp/tools', rig.instanceOf('alice').id), [400, 'instance_mismatch']);
    assert.deepEqual(await ask({ 'x-berth-credential': '%%' }), [400, 'bad_header']);
    assert.deepEqual(await ask({ 'x-berth-config': Buffer.from('[]').toString('base64url') }), [400, 'bad_header']);
    assert.deepEqual(await ask({}, '/mcp/tools', 'not-an-id'), [404, 'not_found']);
    assert.deepEqual(await ask({}, '/nowhere'), [404, 'not_found']);
  });

  test('health of the process, and of an instance', async () => {
    const {
      status,
      service: name,
      version,
      uptime_seconds: uptime,
    } = await (await fetch(`${rig.service.url}/health`)).json();
    assert.deepEqual([status, typeof name, typeof version, typeof uptime], ['ok', 'string', 'string', 'number']);
    assert.equal((await rig.instanceOf('alice').request('GET', '/health')).status, 200);
    const wrong = await rig.service.instance({ credential: 'wrong' }).request('GET', '/health');
    assert.deepEqual([wrong.status, wrong.body.code], [424, 'credential_refused']);
  });

  test('REST and mcp/call answer as the tools do', async () => {
    const alice = rig.instanceOf('alice');
    assert.equal(probe.who((await alice.request('GET', `/api${probe.rest}`)).body), probe.name('alice'));
    assert.equal(probe.who((await rig.read(alice)).body.structuredContent), probe.name('alice'));
    assert.ok((await alice.request('GET', '/mcp/tools')).body.tools.length > 5);
    assert.equal((await alice.request('POST', '/mcp/call', { name: 'nothing' })).status, 404);
    assert.equal((await alice.request('GET', '/api/no/such/thing')).status, 404);
    assert.equal((await alice.request('DELETE', `/api${probe.rest}`)).status, 405);
    const wrong = await rig.service.instance({ credential: 'wrong' }).request('GET', `/api${probe.rest}`);
    assert.deepEqual([wrong.status, wrong.body.code], [424, 'credential_refused']);
  });
}
