// @modelcontextprotocol/client signs in, in both eras.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

import { target, tell } from './story.mjs';

for (const mode of ['legacy', { pin: '2026-07-28' }]) {
    // What was found out about the server belongs to the transport that asked: the one that was refused goes on.
    const refused = new Map();
    await tell(`ts-2-${mode.pin ?? mode}`, {
        Unauthorized: UnauthorizedError,
        async connect(person) {
            const transport = new StreamableHTTPClientTransport(target, { authProvider: person });
            refused.set(person, transport);
            const client = new Client({ name: person.name, version: '1.0.0' }, { versionNegotiation: { mode } });
            await client.connect(transport);
            return {
                call: async () => (await client.callTool({ name: 'test_simple_text', arguments: {} })).content[0].text.match(/simple/)[0],
                close: () => client.close(),
            };
        },
        finish: (person, params) => refused.get(person).finishAuth(params),
    });
}
