// For tests: a service before its stand-in, for all tests of a file.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { fileScope, startService } from './service.js';

/** Small, so that no test waits for long. */
export const QUICK = { OUTSIDE_TIMEOUT_MS: '1500', OUTSIDE_MAX_WAIT_MS: '1500', OUTSIDE_MAX_RESPONSE_BYTES: '200000' };

/** `service` and `standIn` are there once the tests run; `about` as in contract.js. */
export function createRig({ entry, startStandIn, env, tokens, probe }) {
  const file = fileScope(after);
  const rig = {
    probe,
    tokens,
    instanceOf: (login) => rig.service.instance({ credential: tokens[login] }),
    /** Calls the probe by `mcp/call`. */
    read: (instance) => instance.request('POST', '/mcp/call', { name: probe.tool, arguments: probe.input }),
    /** Has the stand-in fail where the probe asks. */
    fail: (fault) => rig.standIn.fail({ path: probe.path, ...fault }),
    problemOf,
  };

  /** The problem that the probe tells of: its text and what programs read. */
  async function problemOf(instance) {
    const { status, body } = await rig.read(instance);
    assert.equal(status, 200);
    assert.equal(body.isError, true);
    return { text: body.content[0].text, ...body._meta['berth/problem'] };
  }

  before(async () => {
    rig.standIn = await startStandIn(file);
    rig.service = await startService(file, entry, { ...QUICK, ...env(rig.standIn) });
  });
  return rig;
}
