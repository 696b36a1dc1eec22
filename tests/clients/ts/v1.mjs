// @modelcontextprotocol/sdk: the session era alone.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
    CreateMessageRequestSchema,
    ElicitRequestSchema,
    ListRootsRequestSchema,
    ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { bearer, recordingFetch, runMatrix } from './checks.mjs';

async function connect({ target, answers, exchanges }) {
    const capabilities = { elicitation: {}, sampling: {}, roots: { listChanged: true } };
    const client = new Client({ name: 'berth-client-test', version: '1.0.0' }, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => answers.elicit(params));
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => answers.sample(params));
    client.setRequestHandler(ListRootsRequestSchema, () => answers.roots());
    const transport = target.url
        ? new StreamableHTTPClientTransport(new URL(target.url), {
              requestInit: { headers: bearer() },
              fetch: recordingFetch(exchanges),
          })
        : new StdioClientTransport({ ...target, stderr: 'ignore' });
    await client.connect(transport);
    return {
        version: () => transport.protocolVersion ?? '2025-11-25',
        tools: async () => (await client.listTools()).tools.map(({ name }) => name),
        async call(name, args, onprogress) {
            const result = await client.callTool({ name, arguments: args }, undefined, { onprogress });
            const text = result.content.map((part) => part.text).join('');
            return { text, isError: result.isError, structured: result.structuredContent };
        },
        resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
        read: async (uri) => (await client.readResource({ uri })).contents[0].text,
        prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
        prompt: async (name, args) => (await client.getPrompt({ name, arguments: args })).messages[0].content.text,
        async watchTools(changed) {
            client.setNotificationHandler(ToolListChangedNotificationSchema, changed);
            return () => client.removeNotificationHandler('notifications/tools/list_changed');
        },
        async close() {
            await transport.terminateSession?.();
            await client.close();
        },
    };
}

await runMatrix('ts-1', connect, ['session']);
