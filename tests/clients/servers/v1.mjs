// The server by the SDK's first line, which knows the session era alone: a tool that needs the client asks it
// by a request in the middle of its call.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { CreateMessageResultSchema, ElicitResultSchema, ListRootsResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

import { ANSWER_SCHEMA, GREETING, extraTool, promptText, said, textOfModel } from './offer.mjs';

export function makeServer() {
    const server = new McpServer({ name: 'berth-test-v1', version: '1.0.0' });
    offerPlainTools(server);
    offerToolsThatAsk(server);
    offerChange(server);
    server.registerResource('greeting', GREETING.uri, { mimeType: GREETING.mimeType }, () => ({ contents: [GREETING] }));
    server.registerPrompt('summarize', { argsSchema: { subject: z.string() } }, ({ subject }) => promptText(subject));
    return server;
}

function offerPlainTools(server) {
    server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => said(text));
    server.registerTool(
        'add',
        { inputSchema: { a: z.number(), b: z.number() }, outputSchema: { sum: z.number() } },
        ({ a, b }) => ({ ...said(String(a + b)), structuredContent: { sum: a + b } }),
    );
    server.registerTool('progress', { inputSchema: { steps: z.number() } }, async ({ steps }, extra) => {
        const progressToken = extra._meta?.progressToken;
        for (let progress = 1; progressToken !== undefined && progress <= steps; progress += 1) {
            const params = { progressToken, progress, total: steps, message: `step ${progress}` };
            await extra.sendNotification({ method: 'notifications/progress', params });
        }
        return said(`${steps} steps done`);
    });
    server.registerTool('fail', {}, () => ({ ...said('this tool always fails'), isError: true }));
}

function offerToolsThatAsk(server) {
    server.registerTool('ask_user', { inputSchema: { question: z.string() } }, async ({ question }, extra) => {
        const params = { mode: 'form', message: question, requestedSchema: ANSWER_SCHEMA };
        const { action, content } = await extra.sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema);
        return said(JSON.stringify({ action, answer: content?.answer ?? null }));
    });
    server.registerTool('ask_model', { inputSchema: { prompt: z.string() } }, async ({ prompt }, extra) => {
        const params = { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 100 };
        const request = { method: 'sampling/createMessage', params };
        return said(textOfModel(await extra.sendRequest(request, CreateMessageResultSchema)));
    });
    server.registerTool('list_roots', {}, async (extra) => {
        const { roots } = await extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema);
        return said(roots.map((root) => root.uri).join('\n'));
    });
}

// One state for all sessions of the process: whoever changes the tools changes them for everyone.
function offerChange(server) {
    const extra = server.registerTool('extra', {}, () => said('extra'));
    if (!extraTool.offered) extra.disable();
    extraTool.handles.add(extra);
    server.server.onclose = () => extraTool.handles.delete(extra);
    server.registerTool('change_tools', {}, () => said(extraTool.toggle() ? 'extra is offered' : 'extra is withdrawn'));
}
