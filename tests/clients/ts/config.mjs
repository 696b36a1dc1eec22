// Exported configurations, used as they are: what a file names is what the official SDK is given.
//
// CONFIGS is the folder of the exported files.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

/** The transport that an entry of a configuration means. */
function transportOf({ url, headers, command, args, env }) {
    if (url) return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
    return new StdioClientTransport({ command, args, env: { ...getDefaultEnvironment(), ...env }, stderr: 'ignore' });
}

for (const name of ['claude-code', 'claude-desktop']) {
    const { mcpServers } = JSON.parse(readFileSync(join(process.env.CONFIGS, `${name}.json`), 'utf8'));

    test(`${name}: three servers`, () => assert.deepEqual(Object.keys(mcpServers).sort(), ['everything-1', 'far-1', 'memory-1']));

    for (const [server, entry] of Object.entries(mcpServers)) {
        test(`${name}: ${server} lists its tools`, { timeout: 180_000 }, async () => {
            const client = new Client({ name: 'config', version: '1.0.0' });
            await client.connect(transportOf(entry));
            const { tools } = await client.listTools();
            assert.ok(tools.length > 0);
            await client.close();
        });
    }
}
