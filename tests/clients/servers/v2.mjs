// The server by the SDK's second line, which serves both eras from one definition: a tool that needs the client
// returns what it needs, and the SDK asks a session-era client by a request.
import { randomBytes } from 'node:crypto';

import { McpServer, createRequestStateCodec, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { ANSWER_SCHEMA, GREETING, extraTool, promptText, said, textOfModel } from './offer.mjs';

const state = createRequestStateCodec({ key: randomBytes(32) });

// `lasting`: whether the connection outlives one request, so that a change is told on it.
export function makeServer(lasting) {
    const server = new McpServer({ name: 'berth-test-v2', version: '2.0.0' }, { requestState: { verify: state.verify } });
    offerPlainTools(server);
    offerToolsThatAsk(server);
    offerChange(server, lasting);
    server.registerResource('greeting', GREETING.uri, { mimeType: GREETING.mimeType }, () => ({ contents: [GREETING] }));
    const argsSchema = z.object({ subject: z.string() });
    server.registerPrompt('summarize', { argsSchema }, ({ subject }) => promptText(subject));
    return server;
}

function offerPlainTools(server) {
    server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => said(text));
    server.registerTool(
        'add',
        { inputSchema: z.object({ a: z.number(), b: z.number() }), outputSchema: z.object({ sum: z.number() }) },
        ({ a, b }) => ({ ...said(String(a + b)), structuredContent: { sum: a + b } }),
    );
    server.registerTool('progress', { inputSchema: z.object({ steps: z.number() }) }, async ({ steps }, ctx) => {
        const progressToken = ctx.mcpReq._meta?.progressToken;
        for (let progress = 1; progressToken !== undefined && progress <= steps; progress += 1) {
            const params = { progressToken, progress, total: steps, message: `step ${progress}` };
            await ctx.mcpReq.notify({ method: 'notifications/progress', params });
        }
        return said(`${steps} steps done`);
    });
    server.registerTool('fail', {}, () => ({ ...said('this tool always fails'), isError: true }));
}

function offerToolsThatAsk(server) {
    server.registerTool('ask_user', { inputSchema: z.object({ question: z.string() }) }, async ({ question }, ctx) => {
        const given = inputResponse(ctx.mcpReq.inputResponses, 'answer');
        if (given.kind !== 'elicit') {
            const answer = inputRequired.elicit({ message: question, requestedSchema: ANSWER_SCHEMA });
            return inputRequired({ inputRequests: { answer }, requestState: await state.mint({ question }) });
        }
        if (ctx.mcpReq.requestState()?.question !== question) throw new Error('the state of another question came back');
        return said(JSON.stringify({ action: given.action, answer: given.content?.answer ?? null }));
    });
    server.registerTool('ask_model', { inputSchema: z.object({ prompt: z.string() }) }, ({ prompt }, ctx) => {
        const given = inputResponse(ctx.mcpReq.inputResponses, 'model');
        if (given.kind === 'sampling') return said(textOfModel(given.result));
        const messages = [{ role: 'user', content: { type: 'text', text: prompt } }];
        return inputRequired({ inputRequests: { model: inputRequired.createMessage({ messages, maxTokens: 100 }) } });
    });
    server.registerTool('list_roots', {}, (ctx) => {
        const given = inputResponse(ctx.mcpReq.inputResponses, 'roots');
        if (given.kind === 'roots') return said(given.roots.map((root) => root.uri).join('\n'));
        return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
    });
}

// One state for all connections of the process: whoever changes the tools changes them for everyone.
function offerChange(server, lasting) {
    const extra = server.registerTool('extra', {}, () => said('extra'));
    if (!extraTool.offered) extra.disable();
    if (lasting) {
        extraTool.handles.add(extra);
        server.server.onclose = () => extraTool.handles.delete(extra);
    }
    server.registerTool('change_tools', {}, () => said(extraTool.toggle() ? 'extra is offered' : 'extra is withdrawn'));
}
