// The ways by which clients find the authorization server, one at a time: the official SDK (1.x), with what it may find
// otherwise hidden from it. And how far consent reaches: narrowed by the person, and widened again when more is needed.
import assert from 'node:assert/strict';

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { check, Person, target } from './story.mjs';

const RESOURCE = '/.well-known/oauth-protected-resource';
const SERVER = '/.well-known/oauth-authorization-server';
const OPENID = '/.well-known/openid-configuration';

// A fetch that finds none of the paths that `hidden` names, and with `mute` hears nothing of them in a challenge.
function blinkered(hidden, mute, seen) {
    return async (url, init) => {
        const { pathname } = new URL(url);
        if (hidden(pathname)) return new Response('not found', { status: 404 });
        const response = await fetch(url, init);
        if (!pathname.startsWith('/.well-known/')) seen.push(pathname);
        else if (response.ok) seen.push(pathname);
        if (response.status !== 401 || !mute) return response;
        const headers = new Headers(response.headers);
        headers.delete('www-authenticate');
        return new Response(response.body, { status: 401, headers });
    };
}

async function connect(person, fetch) {
    const transport = new StreamableHTTPClientTransport(target, { authProvider: person, fetch });
    const client = new Client({ name: person.name, version: '1.0.0' });
    await client.connect(transport);
    return { client, transport };
}

async function signIn(person, fetch, options) {
    await assert.rejects(connect(person, fetch), UnauthorizedError);
    const transport = new StreamableHTTPClientTransport(target, { authProvider: person, fetch });
    await transport.finishAuth((await person.consent(options)).get('code'));
    return connect(person, fetch);
}

async function callSimple({ client }) {
    const { content } = await client.callTool({ name: 'test_simple_text', arguments: {} });
    assert.match(content[0].text, /simple/);
}

const never = () => false;
const path = `${RESOURCE}${target.pathname}`;
const ways = {
    'the challenge names the document': { hidden: never, mute: false, found: [path, SERVER] },
    'no challenge, the document of the path': { hidden: never, mute: true, found: [path, SERVER] },
    'no challenge, the document of the root': { hidden: (at) => at === path, mute: true, found: [RESOURCE, SERVER] },
    'OpenID discovery alone': { hidden: (at) => at.startsWith(SERVER), mute: false, found: [path, OPENID] },
    '2025-03-26: metadata of the origin': { hidden: (at) => at.startsWith(RESOURCE), mute: true, found: [SERVER, '/oauth/token'] },
    '2025-03-26: paths by default': { hidden: (at) => at.startsWith('/.well-known/'), mute: true, found: ['/register', '/token'] },
};
for (const [name, { hidden, mute, found }] of Object.entries(ways)) {
    await check('paths', name, async () => {
        const seen = [];
        const connection = await signIn(new Person(`path ${name}`, 'registration'), blinkered(hidden, mute, seen));
        await callSimple(connection);
        await connection.client.close();
        for (const wanted of found) assert.ok(seen.includes(wanted), `${wanted} was asked: ${seen}`);
    });
}

await check('paths', 'narrowed by the person, widened when a tool is needed', async () => {
    const person = new Person('step up', 'registration');
    person.forgetful = true;
    const connection = await signIn(person, fetch, { readOnly: true });
    assert.equal(person.tokens().scope.includes('mcp:call'), false, person.tokens().scope);
    assert.ok((await connection.client.listTools()).tools);
    await assert.rejects(callSimple(connection), UnauthorizedError);
    assert.match(person.kept.url.searchParams.get('scope'), /tool:test_simple_text/);
    await connection.transport.finishAuth((await person.consent()).get('code'));
    // The session of who could only read is not theirs who can do more: the client opens another.
    const wider = await connect(person, fetch);
    await callSimple(wider);
    await connection.client.close();
    await wider.client.close();
});

// A check that failed may have left a connection open.
process.exit(0);
