// MCP over Streamable HTTP: the stateless era (2026-07-28) by the SDK's handler, the eras with
// sessions by a transport per session. Both have the same tools and resources.
import { randomUUID } from 'node:crypto';

import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';

import { sendJson } from '../middleware/answer.js';
import { readJson } from '../middleware/body.js';
import { log } from '../utils/log.js';
import { Problem } from '../utils/problem.js';
import { createMcpServer } from './tools.js';

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const SESSION_NOT_FOUND = -32001;

export function createMcpEndpoint(notebook, settings) {
  const onerror = (error) => log('mcp', { error: error.message });
  const modern = createMcpHandler(() => createMcpServer(notebook), { legacy: 'reject', onerror });
  const handleModern = toNodeHandler(modern, { onerror });
  const sessions = new Map();

  notebook.onChange(() => {
    modern.notify.resourcesChanged();
    for (const session of sessions.values()) session.server.sendResourceListChanged();
  });

  async function startSession() {
    if (sessions.size >= settings.maxSessions) endOldestIdle();
    const server = createMcpServer(notebook);
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, session),
    });
    const session = { server, transport, open: 0, usedAt: Date.now() };
    transport.onclose = () => sessions.delete(transport.sessionId);
    transport.onerror = onerror;
    await server.connect(transport);
    return session;
  }

  function endOldestIdle() {
    const idle = [...sessions.values()].filter((session) => session.open === 0).sort((a, b) => a.usedAt - b.usedAt);
    if (idle.length === 0) throw new Problem(503, 'too many sessions are open; close one first');
    end(idle[0]);
  }

  function end(session) {
    session.server.close().catch(onerror);
  }

  async function handleLegacy(request, response, body) {
    const id = request.headers['mcp-session-id'];
    let session = sessions.get(id);
    if (id && !session) return sendRpcError(response, 404, SESSION_NOT_FOUND, 'session not found: initialize again');
    if (!session && !isInitialize(body)) {
      return sendRpcError(response, 400, INVALID_REQUEST, 'the first request of a session must be initialize');
    }
    session ??= await startSession();
    session.open += 1;
    response.once('close', () => {
      session.open -= 1;
      session.usedAt = Date.now();
    });
    return session.transport.handleRequest(request, response, body);
  }

  async function handle(request, response) {
    let body;
    try {
      if (request.method === 'POST') body = await readJson(request, settings.maxBodyBytes);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 413) response.setHeader('connection', 'close');
      return sendRpcError(response, error.status, PARSE_ERROR, error.message);
    }
    const probe = await toWebRequest(request, body ?? null);
    if (await isLegacyRequest(probe, body)) return handleLegacy(request, response, body);
    return handleModern(request, response, body);
  }

  const sweep = setInterval(() => {
    const before = Date.now() - settings.sessionIdleMs;
    for (const session of sessions.values()) if (session.open === 0 && session.usedAt < before) end(session);
  }, 60_000);
  sweep.unref();

  async function close() {
    clearInterval(sweep);
    await Promise.allSettled([modern.close(), ...[...sessions.values()].map((session) => session.server.close())]);
  }

  return { handle, close };
}

function isInitialize(body) {
  const messages = Array.isArray(body) ? body : [body];
  return messages.some((message) => message?.method === 'initialize');
}

function sendRpcError(response, status, code, message) {
  sendJson(response, status, { jsonrpc: '2.0', id: null, error: { code, message } });
}
