// Both eras on one path: the SDK says which one a request belongs to.
import { randomUUID } from 'node:crypto';
import { json } from 'node:stream/consumers';

import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';

import { listen, sessions } from './listen.mjs';
import { extraTool } from './offer.mjs';
import { makeServer } from './v2.mjs';

const stateless = createMcpHandler(() => makeServer(false), { legacy: 'reject' });
const serveStateless = toNodeHandler(stateless);
extraTool.listeners.add(() => stateless.notify.toolsChanged());

const serveSession = sessions(async (open) => {
    const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void open.set(id, transport),
        onsessionclosed: (id) => void open.delete(id),
    });
    await makeServer(true).connect(transport);
    return transport;
});

listen(async (request, response) => {
    const body = request.method === 'POST' ? await json(request) : undefined;
    const older = await isLegacyRequest(await toWebRequest(request, body), body);
    await (older ? serveSession : serveStateless)(request, response, body);
});
