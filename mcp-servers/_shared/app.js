// The HTTP server of a shared service: which path goes where, and how it all ends.
import { createServer } from 'node:http';

import { isInstanceId, readContext } from './context.js';
import { readJson, sendJson, sendProblem } from './http.js';
import { createMcpEndpoint } from './mcp.js';
import { Problem } from './problem.js';
import { createRest } from './rest.js';
import { callTool, createToolbox } from './tools.js';

const ORIGIN = 'http://localhost';
/** A credential and a config travel in headers. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Longer than the gateway keeps an idle connection: it must never use one that is just being closed. */
const KEEP_ALIVE_MS = 120_000;
/** How long open calls may take at the end. */
const DRAIN_MS = 3000;

/** The server, not yet listening, and `close()` for its end. */
export function createApp(service, settings, sdk) {
  const toolbox = createToolbox(service.tools);
  const mcp = createMcpEndpoint(service, toolbox, settings, sdk);
  const rest = createRest(service, toolbox, settings);

  /** What is below `/:instanceId`. */
  async function routeInstance(request, response, { path, query, context }) {
    if (path === '/mcp') return mcp.handle(request, response, context);
    if (path.startsWith('/api/')) return rest(request, response, path.slice('/api'.length), query, context);
    switch (`${request.method} ${path}`) {
      case 'GET /health':
        return sendJson(response, 200, { status: 'ok', service: service.name, account: await service.check(context) });
      case 'GET /mcp/tools':
        return sendJson(response, 200, { tools: toolbox.list });
      case 'POST /mcp/call': {
        const { name, arguments: input } = (await readJson(request, settings.maxBodyBytes)) ?? {};
        const tool = toolbox.byName.get(name);
        if (!tool) throw new Problem(404, `there is no tool ${JSON.stringify(name)}`, { code: 'not_found' });
        return sendJson(response, 200, await callTool(tool, input, context, service.connect));
      }
      default:
        throw new Problem(404, 'there is nothing here', { code: 'not_found' });
    }
  }

  async function route(request, response) {
    if (!URL.canParse(request.url, ORIGIN)) throw new Problem(400, 'the path is not one');
    const { pathname, searchParams } = new URL(request.url, ORIGIN);
    if (pathname === '/health') return sendJson(response, 200, health(service));
    const [, instanceId, path] = /^\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
    if (!instanceId || !isInstanceId(instanceId)) throw new Problem(404, 'there is nothing here', { code: 'not_found' });
    const context = readContext(request.headers, instanceId, settings.gatewaySecret, goneSignal(response));
    try {
      await routeInstance(request, response, { path, query: searchParams, context });
    } catch (error) {
      sendProblem(response, error, (text) => context.redact(text));
    }
  }

  const options = { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS };
  const server = createServer(options, (request, response) => {
    route(request, response).catch((error) => sendProblem(response, error));
  });

  /** Lets open calls end for a while; then ends them, and streams that never end. */
  async function close() {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    const late = setTimeout(() => mcp.close().finally(() => server.closeAllConnections()), DRAIN_MS);
    await closed;
    clearTimeout(late);
    await mcp.close();
  }

  return { server, close };
}

/** `GET /health`: the process alone; the outside API is asked at `/:instanceId/health`. */
function health({ name, version }) {
  return { status: 'ok', service: name, version, uptime_seconds: Math.floor(process.uptime()) };
}

/** Aborted when the caller goes away before it was answered. */
function goneSignal(response) {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
