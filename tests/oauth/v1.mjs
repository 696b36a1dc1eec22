// @modelcontextprotocol/sdk signs in.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { target, tell } from './story.mjs';

const transportOf = (person) => new StreamableHTTPClientTransport(target, { authProvider: person });

await tell('ts-1', {
    Unauthorized: UnauthorizedError,
    async connect(person) {
        const client = new Client({ name: person.name, version: '1.0.0' });
        await client.connect(transportOf(person));
        return {
            call: async () => (await client.callTool({ name: 'test_simple_text', arguments: {} })).content[0].text.match(/simple/)[0],
            close: () => client.close(),
        };
    },
    finish: (person, params) => transportOf(person).finishAuth(params.get('code')),
});
