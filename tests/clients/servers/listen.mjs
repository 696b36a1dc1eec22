// What both HTTP servers share: a listener on 127.0.0.1:$PORT with `/mcp`, and `/health` for whoever waits for it.
import { createServer } from 'node:http';

export function listen(serveMcp) {
    const server = createServer((request, response) => {
        const { pathname } = new URL(request.url, 'http://localhost');
        if (pathname === '/health') return void response.end('ok');
        if (pathname !== '/mcp') return void response.writeHead(404).end();
        return void serveMcp(request, response).catch((error) => {
            console.error(error);
            if (!response.headersSent) response.writeHead(500);
            response.end();
        });
    });
    server.listen(Number(process.env.PORT), '127.0.0.1');
    process.on('SIGTERM', () => process.exit(0));
}

// Sessions of the older era: `connect` makes a transport for a request that opens one, given where to keep it.
export function sessions(connect) {
    const open = new Map();
    return async (request, response, body) => {
        const id = request.headers['mcp-session-id'];
        if (id !== undefined && !open.has(id)) return void response.writeHead(404).end();
        const transport = open.get(id) ?? (await connect(open));
        await transport.handleRequest(request, response, body);
    };
}
