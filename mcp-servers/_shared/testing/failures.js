// For tests: what every shared service does when the outside API does not do its part.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export function testFailures(rig) {
  const { probe } = rig;

  test('wrong, expired and revoked credentials are told as such', async () => {
    await rig.standIn.setTokens({
      'tok-old': { login: 'alice', state: 'expired' },
      'tok-gone': { login: 'alice', state: 'revoked' },
    });
    for (const credential of ['tok-wrong', 'tok-old', 'tok-gone']) {
      const { text, code, status } = await rig.problemOf(rig.service.instance({ credential }));
      assert.deepEqual([code, status], ['credential_refused', 424]);
      assert.match(text, /(answered 40[13]|refused): .*new one/);
      assert.ok(!text.includes(credential), 'the credential is not echoed');
    }
    const unsendable = await rig.problemOf(rig.service.instance({ credential: 'two\nlines' }));
    assert.equal(unsendable.code, 'credential_refused');
    assert.ok(!unsendable.text.includes('lines'));
  });

  test('a rate limit is waited for when it is short, and told when it is long', async () => {
    const alice = rig.instanceOf('alice');
    await rig.standIn.forget();
    await rig.fail({ kind: 'rate_limit', retry_after: 1 });
    const began = Date.now();
    assert.equal(probe.who((await rig.read(alice)).body.structuredContent), probe.name('alice'));
    assert.ok(Date.now() - began >= 990, 'waited as asked');
    assert.equal((await rig.standIn.calls()).length, 2);
    await rig.fail({ kind: 'rate_limit', retry_after: 3000 });
    const { code, retry_after_seconds: wait, text } = await rig.problemOf(alice);
    assert.deepEqual([code, wait], ['rate_limited', 3000]);
    assert.match(text, /Try again in 3000 s/);
    await rig.fail({ kind: 'rate_limit', retry_after: 3000 });
    const rest = await alice.request('GET', `/api${probe.rest}`);
    assert.deepEqual([rest.status, rest.headers.get('retry-after')], [429, '3000']);
  });

  test('a passing failure is tried again, a lasting one told', async () => {
    const alice = rig.instanceOf('alice');
    for (const fault of [{ kind: 'status', status: 503 }, { kind: 'reset' }]) {
      await rig.fail(fault);
      assert.equal(probe.who((await rig.read(alice)).body.structuredContent), probe.name('alice'));
    }
    await rig.fail({ kind: 'status', status: 503, times: 3 });
    assert.deepEqual((await rig.problemOf(alice)).code, 'outside_failed');
    await rig.fail({ kind: 'reset', times: 3 });
    assert.deepEqual((await rig.problemOf(alice)).code, 'outside_unreachable');
  });

  test('broken answers, too large ones, none, and ways to elsewhere', async () => {
    const alice = rig.instanceOf('alice');
    const cases = [
      [{ kind: 'malformed' }, 'outside_malformed'],
      [{ kind: 'body', body: { nothing: 'of use' } }, 'outside_malformed'],
      [{ kind: 'oversize', bytes: 300_000 }, 'outside_too_large'],
      [{ kind: 'hang' }, 'outside_timeout'],
      [{ kind: 'redirect', to: 'http://127.0.0.1:1/elsewhere' }, 'outside_failed'],
    ];
    for (const [fault, code] of cases) {
      await rig.fail(fault);
      const problem = await rig.problemOf(alice);
      assert.equal(problem.code, code, problem.text);
      await rig.standIn.recover();
    }
    assert.equal(probe.who((await rig.read(alice)).body.structuredContent), probe.name('alice'));
  });

  test('a call ends when its caller goes away', async () => {
    const alice = rig.instanceOf('alice');
    await rig.fail({ kind: 'hang' });
    await rig.standIn.forget();
    const gone = new AbortController();
    const call = fetch(`${alice.url}/api${probe.rest}`, { headers: alice.headers, signal: gone.signal });
    while ((await rig.standIn.calls()).length === 0) await sleep(5);
    gone.abort();
    await assert.rejects(call);
    while (!rig.service.log().includes('"code":"cancelled"')) await sleep(5);
  });
}
