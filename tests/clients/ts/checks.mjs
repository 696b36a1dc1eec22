// What every TypeScript client does with every server, in every era: one line of JSON per check.
//
// BERTH_MATRIX: JSON of {server → {url} or {command, args}, and `stateless`: whether the newer era is spoken there}.
// BERTH_ERAS: which to run, of session, stateless and auto. BERTH_RESULTS: file that takes the lines.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';

const PATIENCE_MS = 15_000;
const ROOTS = [{ uri: 'file:///srv/first', name: 'first' }, { uri: 'file:///srv/second', name: 'second' }];
const NEWER = '2026-07-28';

// What the client's side answers. Every connection has a name of its own: an answer that went to another is seen.
export function answersOf(name) {
    return {
        elicit: ({ message, requestedSchema }) => {
            assert.deepEqual(Object.keys(requestedSchema.properties), ['answer']);
            if (message.startsWith('decline')) return { action: 'decline' };
            return { action: 'accept', content: { answer: `${name} says yes to ${message}` } };
        },
        sample: ({ messages }) => {
            const [{ content }] = messages;
            const prompt = Array.isArray(content) ? content[0].text : content.text;
            return { role: 'assistant', model: `model of ${name}`, content: { type: 'text', text: prompt.toUpperCase() } };
        },
        roots: () => ({ roots: ROOTS }),
    };
}

// A fetch that notes what went over the wire and changes nothing.
export function recordingFetch(exchanges) {
    return async (url, init) => {
        const exchange = { method: init?.method ?? 'GET' };
        exchanges.push(exchange);
        const response = await fetch(url, init);
        exchange.status = response.status;
        exchange.session = response.headers.get('mcp-session-id') ?? undefined;
        return response;
    };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition) {
    while (!condition()) await sleep(10);
}

async function askUser(connection, question) {
    const { text, isError } = await connection.call('ask_user', { question });
    assert.ok(!isError, text);
    return JSON.parse(text);
}

async function namesOf(connection) {
    return (await connection.tools()).sort();
}

// In this order, on one connection.
const CHECKS = {
    async connect({ connection, era, target }) {
        const newer = era === 'stateless' || (era === 'auto' && target.stateless);
        assert.equal(connection.version() >= NEWER, newer, `version ${connection.version()} was agreed on`);
    },
    async tools({ connection }) {
        const names = (await namesOf(connection)).filter((name) => name !== 'extra');
        const wanted = ['add', 'ask_model', 'ask_user', 'change_tools', 'echo', 'fail', 'list_roots', 'progress'];
        assert.deepEqual(names, wanted);
    },
    async echo({ connection, name }) {
        assert.equal((await connection.call('echo', { text: `ünïcode from ${name}` })).text, `ünïcode from ${name}`);
    },
    async add({ connection }) {
        const { text, structured } = await connection.call('add', { a: 19, b: 23 });
        assert.equal(text, '42');
        assert.deepEqual(structured, { sum: 42 });
    },
    async progress({ connection }) {
        const seen = [];
        const { text } = await connection.call('progress', { steps: 4 }, ({ progress, total }) => seen.push([progress, total]));
        assert.equal(text, '4 steps done');
        assert.deepEqual(seen, [1, 2, 3, 4].map((step) => [step, 4]));
    },
    async elicit_accept({ connection, name }) {
        const answer = `${name} says yes to tea?`;
        assert.deepEqual(await askUser(connection, 'tea?'), { action: 'accept', answer });
    },
    async elicit_decline({ connection }) {
        assert.deepEqual(await askUser(connection, 'decline this'), { action: 'decline', answer: null });
    },
    async sampling({ connection, name }) {
        assert.equal((await connection.call('ask_model', { prompt: 'shout' })).text, `model of ${name}: SHOUT`);
    },
    async roots({ connection }) {
        assert.equal((await connection.call('list_roots', {})).text, 'file:///srv/first\nfile:///srv/second');
    },
    async resource({ connection }) {
        assert.deepEqual(await connection.resources(), ['test://greeting']);
        assert.equal(await connection.read('test://greeting'), 'Good morning.');
    },
    async prompt({ connection }) {
        assert.deepEqual(await connection.prompts(), ['summarize']);
        assert.equal(await connection.prompt('summarize', { subject: 'tides' }), 'Summarize tides.');
    },
    async tool_error({ connection }) {
        const { text, isError } = await connection.call('fail', {});
        assert.deepEqual({ text, isError }, { text: 'this tool always fails', isError: true });
    },
    async list_changed({ connection, exchanges, target }) {
        let changes = 0;
        const stop = await connection.watchTools(() => (changes += 1));
        // In a session, changes are told on a GET stream, which the client opens by itself a little later.
        const stream = (exchange) => exchange.method === 'GET' && exchange.status === 200;
        if (target.url && connection.version() < NEWER) await until(() => exchanges.some(stream));
        for (const _ of ['offered', 'withdrawn']) {
            const before = await namesOf(connection);
            const told = changes;
            await connection.call('change_tools', {});
            await until(() => changes > told);
            const after = await namesOf(connection);
            assert.notEqual(after.includes('extra'), before.includes('extra'));
        }
        await stop();
    },
    // Two connections that are asked at the same time answer each for itself.
    async apart({ connection, name, second }) {
        const other = await second(`${name}-second`);
        const both = await Promise.all([askUser(connection, 'one?'), askUser(other, 'two?')]);
        await other.close();
        assert.deepEqual(both.map(({ answer }) => answer), [`${name} says yes to one?`, `${name}-second says yes to two?`]);
    },
    async end({ connection, exchanges, target }) {
        const version = connection.version();
        await connection.close();
        if (!target.url) return;
        const session = exchanges.find((exchange) => exchange.session)?.session;
        const methods = new Set(exchanges.map((exchange) => exchange.method));
        if (version >= NEWER) {
            assert.equal(session, undefined, 'a session was opened in the stateless era');
            assert.deepEqual([...methods], ['POST']);
            return;
        }
        assert.ok(session, 'no session was opened');
        const { status } = exchanges.find((exchange) => exchange.method === 'DELETE');
        assert.ok(status >= 200 && status < 300, `DELETE was answered with ${status}`);
        assert.equal(await statusOfEnded(target, session, version), 404);
    },
};

async function statusOfEnded({ url }, session, version) {
    const headers = {
        ...bearer(),
        Accept: 'application/json, text/event-stream',
        'Content-Type': 'application/json',
        'Mcp-Session-Id': session,
        'MCP-Protocol-Version': version,
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const response = await fetch(url, { method: 'POST', headers, body });
    await response.text();
    return response.status;
}

export const bearer = () => (process.env.BERTH_TOKEN ? { Authorization: `Bearer ${process.env.BERTH_TOKEN}` } : {});

async function limited(promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

// `connect({target, era, answers, exchanges})` makes a connection of the client under test.
async function runCell(client, connect, server, target, era) {
    const report = (check, error) => {
        const detail = error && String(error.stack ?? error).split('\n    at ')[0];
        const line = { client, server, era, check, status: error ? 'fail' : 'pass', detail };
        appendFileSync(process.env.BERTH_RESULTS, `${JSON.stringify(line)}\n`);
    };
    const name = `${client}-${era}-${server}`;
    const exchanges = [];
    const open = (as, log) => limited(connect({ target, era, answers: answersOf(as), exchanges: log }));
    let connection;
    try {
        connection = await open(name, exchanges);
    } catch (error) {
        return void report('connect', error);
    }
    const cell = { connection, exchanges, era, target, name, second: (as) => open(as, []) };
    for (const [check, perform] of Object.entries(CHECKS)) {
        try {
            await limited(perform(cell));
            report(check);
        } catch (error) {
            report(check, error);
            if (String(error.message).startsWith('no answer')) return;
        }
    }
}

export async function runMatrix(client, connect, spoken) {
    const targets = Object.entries(JSON.parse(process.env.BERTH_MATRIX));
    for (const era of process.env.BERTH_ERAS.split(' ').filter((wanted) => spoken.includes(wanted))) {
        const reachable = targets.filter(([, target]) => era !== 'stateless' || target.stateless);
        await Promise.all(reachable.map(([server, target]) => runCell(client, connect, server, target, era)));
    }
    // A connection that hangs must not keep the run from its table.
    process.exit(0);
}
