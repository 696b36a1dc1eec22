// MCP over Streamable HTTP, both eras, without sessions: a server per request, made of what was
// prepared once. The request's context travels in it, never beside it.
import { log } from './log.js';
import { callTool } from './tools.js';

const INVALID_PARAMS = -32602;

/** `handle(request, response, context)` and `close()`. */
export function createMcpEndpoint(service, toolbox, settings, sdk) {
  const { createMcpHandler, ProtocolError, Server, toNodeHandler } = sdk;
  const about = { name: service.name, title: service.title, version: service.version };
  const options = { capabilities: { tools: {} }, instructions: service.instructions };
  const list = { tools: toolbox.list };

  function serverFor({ authInfo }) {
    const { context } = authInfo.extra;
    const server = new Server(about, options);
    server.setRequestHandler('tools/list', async () => list);
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      const tool = toolbox.byName.get(params.name);
      if (!tool) throw new ProtocolError(INVALID_PARAMS, `there is no tool ${JSON.stringify(params.name)}`);
      return callTool(tool, params.arguments, context.withSignal(mcpReq.signal), service.connect);
    });
    return server;
  }

  const onerror = (error) => log.debug('mcp', { error: error.message });
  const maxRequestBodySize = settings.maxBodyBytes;
  const handler = createMcpHandler(serverFor, { onerror, maxRequestBodySize });
  const node = toNodeHandler(handler, { onerror, maxRequestBodySize });

  function handle(request, response, context) {
    // The SDK's own way to hand a value of one request to its server.
    request.auth = { token: '', clientId: context.instanceId, scopes: [], extra: { context } };
    return node(request, response);
  }

  return { handle, close: () => handler.close() };
}
