// The HTTP server: which path goes where, and how it all ends.
import { createServer } from 'node:http';

import { sendError, sendJson } from '../middleware/answer.js';
import { isFromThisHost } from '../middleware/guard.js';
import { health } from './health.js';
import { createMcpEndpoint } from './mcp.js';
import { notes } from './notes.js';

/** The server of one notebook, not yet listening, and `close()` for its end. */
export function createApp(notebook, settings) {
  const mcp = createMcpEndpoint(notebook, settings);

  async function route(request, response) {
    if (!isFromThisHost(request, response)) return;
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    if (pathname === '/health') return health(request, response, notebook);
    if (pathname === '/mcp') return mcp.handle(request, response);
    const rest = /^\/api\/notes(?:\/([^/]+))?$/.exec(pathname);
    if (rest) return notes(request, response, { notebook, id: rest[1], query: searchParams.get('q'), settings });
    sendJson(response, 404, { error: `there is nothing at ${pathname}` });
  }

  const server = createServer((request, response) => {
    route(request, response).catch((error) => sendError(response, error));
  });

  async function close() {
    const closed = new Promise((resolve) => server.close(resolve));
    await mcp.close();
    server.closeIdleConnections();
    await closed;
  }

  return { server, close };
}
