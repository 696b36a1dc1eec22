// A loopback reverse proxy for clients that cannot send a token: it adds one, and maps `/NAME/mcp` to the path of an
// instance. Everything else goes through as it is, Host and Origin too: refusing foreign ones is Berth's.
//
//   BERTH_TOKEN=… node proxy.mjs LISTEN_HOST:PORT BERTH_HOST:PORT NAME=PATH…
//
// Says "listening" once it does. Streams both ways unbuffered; a client that goes away ends the request at Berth.
import http from 'node:http';

const [listen, berth, ...routes] = process.argv.slice(2);
const token = process.env.BERTH_TOKEN;
if (!listen || !berth || !token) {
    console.error('usage: BERTH_TOKEN=… node proxy.mjs LISTEN_HOST:PORT BERTH_HOST:PORT NAME=PATH…');
    process.exit(2);
}
const address = (text) => ({ host: text.slice(0, text.lastIndexOf(':')), port: Number(text.slice(text.lastIndexOf(':') + 1)) });
const paths = new Map(routes.map((route) => [route.slice(0, route.indexOf('=')), route.slice(route.indexOf('=') + 1)]));
const target = address(berth);
// Of one hop only, or ours to say.
const dropped = new Set(['authorization', 'connection', 'keep-alive', 'transfer-encoding']);

/** The raw headers as a flat list, duplicates and spelling kept. */
function kept(raw) {
    const headers = [];
    for (let i = 0; i < raw.length; i += 2) {
        if (!dropped.has(raw[i].toLowerCase())) headers.push(raw[i], raw[i + 1]);
    }
    return headers;
}

const server = http.createServer((request, response) => {
    const [, name, query = ''] = /^\/([^/?]+)\/mcp(\?.*)?$/.exec(request.url) ?? [];
    const path = paths.get(name);
    if (path === undefined) return response.writeHead(404).end('no such instance\n');
    const upstream = http.request({
        ...target,
        method: request.method,
        path: path + query,
        headers: [...kept(request.rawHeaders), 'Authorization', `Bearer ${token}`],
        setHost: false,
    });
    upstream.on('response', (answer) => {
        response.writeHead(answer.statusCode, kept(answer.rawHeaders));
        response.flushHeaders();
        answer.pipe(response);
        answer.on('error', () => response.destroy());
    });
    upstream.on('error', (error) => {
        if (response.destroyed || response.headersSent) return response.destroy();
        response.writeHead(502).end(`${error.message}\n`);
    });
    response.on('close', () => {
        if (!response.writableFinished) upstream.destroy();
    });
    request.pipe(upstream);
});
server.requestTimeout = 0;
server.listen(address(listen), () => console.log('listening'));
