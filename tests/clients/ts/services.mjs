// The built-in services as somebody new meets them, by the official SDKs: a wrong key is refused with the API's own
// words, two keys make two instances that see their own and nothing else, a key is changed under load without a lost
// call, an account that is connected by OAuth stays so when its tokens run out, and what is deleted is gone. The outside APIs are stand-ins (tests/stand-ins), which check every request.
//
// BERTH_URL, BERTH_TOKEN, BERTH_EMAIL, BERTH_PASSWORD, BERTH_DATA_DIR, STAND_INS ({service: {url, keys: {login: key}}}) come from the environment.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const { BERTH_URL, BERTH_TOKEN, BERTH_DATA_DIR } = process.env;
const standIns = JSON.parse(process.env.STAND_INS);

/** A tool that lists what is somebody's own, and how its owner is known by it. */
const LISTS = {
    github: { name: 'list_repositories', arguments: {}, owners: ({ items }) => items.map(({ full_name }) => full_name.split('/')[0]) },
    figma: { name: 'get_me', arguments: {}, owners: ({ handle, email }) => [(email ?? handle).split('@')[0]] },
    slack: { name: 'auth_info', arguments: {}, owners: ({ user }) => [user.replace(/^bot-of-/, '')] },
    gmail: { name: 'get_profile', arguments: {}, owners: (profile) => [profile.address.split('@')[0]] },
};

async function api(method, path, body) {
    const response = await fetch(`${BERTH_URL}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${BERTH_TOKEN}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
    });
    const text = await response.text();
    return { http: response.status, ...(text && JSON.parse(text)) };
}

async function made(path, body) {
    const answer = await api('POST', path, body);
    assert.equal(answer.http, 201, JSON.stringify(answer));
    return answer;
}

async function running(id) {
    for (let tries = 0; tries < 600; tries += 1) {
        const instance = await api('GET', `/mcps/${id}`);
        if (instance.status === 'running') return instance;
        assert.notEqual(instance.status, 'failed', JSON.stringify(instance.last_error));
        await pause(200);
    }
    assert.fail(`${id} did not come up`);
}

const headers = { requestInit: { headers: { authorization: `Bearer ${BERTH_TOKEN}` } } };
const about = { name: 'services', version: '1.0.0' };

const ways = {
    'SDK 1': async (url) => {
        const client = new OldClient(about);
        await client.connect(new OldTransport(new URL(url), headers));
        return client;
    },
    'SDK 2, a session': async (url) => {
        const client = new Client(about, { versionNegotiation: { mode: 'legacy' } });
        await client.connect(new StreamableHTTPClientTransport(new URL(url), headers));
        return client;
    },
    'SDK 2, no session': async (url) => {
        const client = new Client(about, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
        await client.connect(new StreamableHTTPClientTransport(new URL(url), headers));
        return client;
    },
};

/** Whose things the instance lists. */
async function owners(client, service) {
    const { name, arguments: input, owners: read } = LISTS[service];
    const answer = await client.callTool({ name, arguments: input });
    assert.ok(!answer.isError, JSON.stringify(answer.content));
    return new Set(read(answer.structuredContent));
}

/** An instance of each login with their key. */
async function instancesOf(service) {
    const instances = {};
    for (const [login, key] of Object.entries(standIns[service].keys)) {
        const credential = await made('/credentials', { service, label: login, value: key });
        const { id } = await made('/mcps', { service, label: login, credential: { id: credential.id } });
        instances[login] = { ...(await running(id)), credential: credential.id };
    }
    return instances;
}

const instances = {};

for (const service of Object.keys(standIns)) {
    test(`${service}: a wrong key is refused with the API's own words`, async () => {
        const before = (await api('GET', '/credentials')).items.length;
        const refused = await api('POST', '/credentials', { service, value: 'no-such-key' });
        assert.deepEqual([refused.http, refused.code], [422, 'credential_refused'], JSON.stringify(refused));
        assert.match(refused.detail, /bad|invalid|unauthorized|credential/i);
        assert.ok(!refused.detail.includes('no-such-key'));
        assert.equal((await api('GET', '/credentials')).items.length, before);
    });

    test(`${service}: two keys, one process, and each sees their own`, async () => {
        instances[service] = await instancesOf(service);
        for (const [login, instance] of Object.entries(instances[service])) {
            assert.equal(instance.mode, 'shared');
            for (const [way, connect] of Object.entries(ways)) {
                const client = await connect(instance.url);
                const { tools } = await client.listTools();
                assert.ok(tools.length > 5 && tools.every(({ outputSchema }) => outputSchema), way);
                assert.deepEqual(await owners(client, service), new Set([login]), `${service} by ${way}`);
                await client.close();
            }
        }
    });
}

test('many calls at once never meet a foreign key', async () => {
    const clients = [];
    for (const [service, ours] of Object.entries(instances)) {
        for (const [login, { url }] of Object.entries(ours)) {
            for (const connect of Object.values(ways)) clients.push({ service, login, client: await connect(url) });
        }
    }
    const calls = clients.map(async ({ service, login, client }) => {
        for (let call = 0; call < 40; call += 1) assert.deepEqual(await owners(client, service), new Set([login]));
        await client.close();
    });
    await Promise.all(calls);
});

/** Calls without end by every way, each checked; `stop` ends them. */
async function load(instance, service, login) {
    const clients = await Promise.all(Object.values(ways).map((connect) => connect(instance.url)));
    const state = { count: 0, isOver: false };
    const running = clients.map(async (client) => {
        while (!state.isOver) {
            assert.deepEqual(await owners(client, service), new Set([login]));
            state.count += 1;
        }
        await client.close();
    });
    const failed = Promise.all(running);
    failed.catch(() => (state.isOver = true));
    return {
        /** Waits for so many more calls. */
        async many(more) {
            for (const enough = state.count + more; state.count < enough && !state.isOver; ) await pause(10);
        },
        async stop() {
            state.isOver = true;
            await failed;
        },
    };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const controlOf = (url) => (method, path, body) =>
    fetch(`${url}/_control/${path}`, { method, body: body && JSON.stringify(body) }).then((answer) => answer.json());

const usedTokens = async (control) => new Set((await control('GET', 'calls')).map(({ token }) => token));

for (const service of Object.keys(standIns)) {
    test(`${service}: a key is changed while it is used, and no call fails`, async () => {
        const control = controlOf(standIns[service].url);
        const [[login, instance]] = Object.entries(instances[service]);
        const rotatedKey = `${standIns[service].keys[login]}-rotated`;
        await control('PUT', 'tokens', { [rotatedKey]: { login } });
        const calls = await load(instance, service, login);
        await calls.many(20);
        const rotated = await api('POST', `/credentials/${instance.credential}/rotate`, { value: rotatedKey });
        assert.equal(rotated.http, 200, JSON.stringify(rotated));
        await calls.many(10);
        await control('DELETE', 'calls');
        await calls.many(20);
        await calls.stop();
        assert.deepEqual(await usedTokens(control), new Set([rotatedKey]), 'new calls use the new key');
    });

    test(`${service}: every reading tool that needs no arguments answers by its schema`, async () => {
        const [[, instance]] = Object.entries(instances[service]);
        for (const connect of Object.values(ways)) {
            const client = await connect(instance.url);
            const { tools } = await client.listTools();
            const isPlain = ({ inputSchema, annotations }) => annotations.readOnlyHint && !inputSchema.required?.length;
            const plain = tools.filter(isPlain);
            assert.ok(plain.length > 0);
            for (const { name } of plain) {
                // The SDK checks the answer against the tool's output schema.
                const answer = await client.callTool({ name, arguments: {} });
                // Which team, Figma cannot know.
                if (service === 'figma' && /team_id/.test(answer.content[0].text)) continue;
                assert.ok(!answer.isError && answer.structuredContent, `${name}: ${JSON.stringify(answer.content)}`);
            }
            await client.close();
        }
    });
}

/** Signs somebody in at Berth, then at the outside service; the new credential's id. */
async function connectAccount(service) {
    const [email, password] = [process.env.BERTH_EMAIL, process.env.BERTH_PASSWORD];
    const signedIn = await fetch(`${BERTH_URL}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
    });
    assert.equal(signedIn.status, 200, await signedIn.text());
    const cookies = new Map();
    const visit = async (url) => {
        const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
        const headers = new URL(url).origin === new URL(BERTH_URL).origin ? { cookie } : {};
        const answer = await fetch(url, { headers, redirect: 'manual' });
        keep(answer);
        assert.ok([302, 303].includes(answer.status), `${answer.status} ${await answer.text()}`);
        return new URL(answer.headers.get('location'), url).href;
    };
    const keep = (answer) => {
        for (const line of answer.headers.getSetCookie()) cookies.set(...line.split(';')[0].split(/=(.*)/s).slice(0, 2));
    };
    keep(signedIn);
    const consent = await visit(`${BERTH_URL}/connect/${service}?label=connected&next=/`);
    const back = await visit(consent);
    return new URL(await visit(back)).searchParams.get('connected');
}

test('gmail: an account that is signed in there stays so, also when its tokens run out', async () => {
    const credential = await connectAccount('gmail');
    const stored = (await api('GET', '/credentials')).items.find(({ id }) => id === credential);
    assert.deepEqual([stored.label, stored.last_result, stored.grant.standing], ['connected', 'valid', 'kept']);
    const { id } = await made('/mcps', { service: 'gmail', label: 'connected', credential: { id: credential } });
    const control = controlOf(standIns.gmail.url);
    await control('DELETE', 'calls');
    const calls = await load(await running(id), 'gmail', 'carol');
    const deadline = Date.now() + 60_000;
    while ((await usedTokens(control)).size < 3 && Date.now() < deadline) await calls.many(20);
    await calls.stop();
    assert.ok((await usedTokens(control)).size >= 3, 'its tokens were replaced, and no call failed');
    assert.equal((await api('GET', `/mcps/${id}`)).restarts, 0);
});

test('what is deleted is gone, from the files too', async () => {
    for (const { id, credential } of Object.values(instances.github)) {
        const kept = await api('DELETE', `/credentials/${credential}`);
        assert.equal(kept.http, 409, 'it is in use');
        assert.equal((await api('DELETE', `/mcps/${id}`)).http, 204);
        assert.equal((await api('DELETE', `/credentials/${credential}`)).http, 204);
    }
    const files = readdirSync(BERTH_DATA_DIR, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    assert.ok(files.some(({ name }) => name === 'berth.db'));
    for (const { parentPath, name } of files) {
        const text = readFileSync(join(parentPath, name), 'latin1');
        for (const key of Object.values(standIns.github.keys)) assert.ok(!text.includes(key), name);
    }
});
