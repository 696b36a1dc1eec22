// The server of the session era over Streamable HTTP.
import { randomUUID } from 'node:crypto';

import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

import { listen, sessions } from './listen.mjs';
import { makeServer } from './v1.mjs';

listen(
    sessions(async (open) => {
        const transport = new StreamableHTTPServerTransport({
            sessionIdGenerator: randomUUID,
            onsessioninitialized: (id) => void open.set(id, transport),
            onsessionclosed: (id) => void open.delete(id),
        });
        await makeServer().connect(transport);
        return transport;
    }),
);
