// The official TypeScript SDK, unmodified, against instances of a running Berth.
// BERTH_CLIENT_TARGETS: JSON of {everything, memory1, memory2, rooms, time} → URL. BERTH_TOKEN: a token for all.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const targets = JSON.parse(process.env.BERTH_CLIENT_TARGETS);
const token = process.env.BERTH_TOKEN;
const clients = {};

async function connect(name, bearer = token, sessionId = undefined) {
    const requestInit = { headers: { Authorization: `Bearer ${bearer}` } };
    const transport = new StreamableHTTPClientTransport(new URL(targets[name]), { requestInit, sessionId });
    const client = new Client({ name: 'berth-client-test', version: '1.0.0' });
    await client.connect(transport);
    return { client, transport };
}

const textOf = (result) => result.content.map((part) => part.text ?? '').join('');
const call = (name, tool, args) => clients[name].client.callTool({ name: tool, arguments: args });

before(async () => {
    for (const name of Object.keys(targets)) clients[name] = await connect(name);
});

after(async () => {
    for (const { client, transport } of Object.values(clients)) {
        await transport.terminateSession();
        await client.close();
    }
});

test('everything lists its tools and answers', async () => {
    const { tools } = await clients.everything.client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'echo'), 'echo is listed');
    assert.match(textOf(await call('everything', 'echo', { message: 'hello from TypeScript' })), /hello from TypeScript/);
    assert.match(textOf(await call('everything', 'get-sum', { a: 19, b: 23 })), /42/);
});

test('everything lists prompts and resources', async () => {
    const { prompts } = await clients.everything.client.listPrompts();
    assert.ok(prompts.length > 0);
    const { resources } = await clients.everything.client.listResources();
    assert.ok(resources.length > 0);
    const { contents } = await clients.everything.client.readResource({ uri: resources[0].uri });
    assert.ok(contents.length > 0);
});

test('progress arrives at the call that asked for it', async () => {
    const seen = [];
    const result = await clients.everything.client.callTool(
        { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 4 } },
        undefined,
        { onprogress: (progress) => seen.push(progress.progress) },
    );
    assert.ok(textOf(result).length > 0);
    assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
    assert.ok(seen.length >= 3, `progress was reported ${seen.length} times`);
});

test('two instances of memory do not see each other', async () => {
    const entity = { name: `ts-${process.pid}`, entityType: 'secret', observations: ['only in the first'] };
    await call('memory1', 'create_entities', { entities: [entity] });
    assert.match(textOf(await call('memory1', 'read_graph', {})), new RegExp(entity.name));
    assert.doesNotMatch(textOf(await call('memory2', 'read_graph', {})), new RegExp(entity.name));
});

test('two clients of one instance in session mode have their own graphs, and find them again', async () => {
    const graph = async ({ client }) => textOf(await client.callTool({ name: 'read_graph', arguments: {} }));
    const names = ['web', 'desktop'];
    const sessions = {};
    for (const name of names) {
        const { client, transport } = await connect('rooms');
        const entities = [{ name: `${name}-${process.pid}`, entityType: 'secret', observations: [`of ${name}`] }];
        await client.callTool({ name: 'create_entities', arguments: { entities } });
        sessions[name] = transport.sessionId;
        await client.close();
    }
    assert.notEqual(sessions.web, sessions.desktop);
    for (const name of names) {
        const again = await connect('rooms', token, sessions[name]);
        const seen = await graph(again);
        for (const other of names) assert.equal(seen.includes(`${other}-${process.pid}`), other === name, seen);
        await again.transport.terminateSession();
        await again.client.close();
    }
});

test('time tells the time', async () => {
    const { tools } = await clients.time.client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'get_current_time'));
    assert.match(textOf(await call('time', 'get_current_time', { timezone: 'UTC' })), /\d{4}-\d{2}-\d{2}T/);
});

test('twenty calls at once get their own answers', async () => {
    const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => call('everything', 'echo', { message: `number ${n}.` })),
    );
    answers.forEach((answer, n) => assert.match(textOf(answer), new RegExp(`number ${n}\\.`)));
});

test('a second session of the same instance works beside the first', async () => {
    const { client, transport } = await connect('everything');
    const result = await client.callTool({ name: 'echo', arguments: { message: 'second' } });
    assert.match(textOf(result), /second/);
    await transport.terminateSession();
    await client.close();
});

test('a wrong token is refused', async () => {
    await assert.rejects(connect('everything', 'bth_wrong'));
});
