// @modelcontextprotocol/client: both eras, and `auto`, which finds out.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { bearer, recordingFetch, runMatrix } from './checks.mjs';

const MODES = { session: 'legacy', stateless: { pin: '2026-07-28' }, auto: 'auto' };

async function connect({ target, era, answers, exchanges }) {
    const capabilities = { elicitation: {}, sampling: {}, roots: { listChanged: true } };
    const client = new Client(
        { name: 'berth-client-test', version: '2.0.0' },
        { capabilities, versionNegotiation: { mode: MODES[era] } },
    );
    client.setRequestHandler('elicitation/create', ({ params }) => answers.elicit(params));
    client.setRequestHandler('sampling/createMessage', ({ params }) => answers.sample(params));
    client.setRequestHandler('roots/list', () => answers.roots());
    const transport = target.url
        ? new StreamableHTTPClientTransport(new URL(target.url), {
              requestInit: { headers: bearer() },
              fetch: recordingFetch(exchanges),
          })
        : new StdioClientTransport({ ...target, stderr: 'ignore' });
    await client.connect(transport);
    return {
        version: () => client.getNegotiatedProtocolVersion(),
        tools: async () => (await client.listTools()).tools.map(({ name }) => name),
        async call(name, args, onprogress) {
            const result = await client.callTool({ name, arguments: args }, { onprogress });
            const text = result.content.map((part) => part.text).join('');
            return { text, isError: result.isError, structured: result.structuredContent };
        },
        resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
        read: async (uri) => (await client.readResource({ uri })).contents[0].text,
        prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
        prompt: async (name, args) => (await client.getPrompt({ name, arguments: args })).messages[0].content.text,
        async watchTools(changed) {
            client.setNotificationHandler('notifications/tools/list_changed', changed);
            if (client.getProtocolEra() !== 'modern') return () => {};
            const subscription = await client.listen({ toolsListChanged: true });
            return () => subscription.close();
        },
        async close() {
            await transport.terminateSession?.();
            await client.close();
        },
    };
}

await runMatrix('ts-2', connect, ['session', 'stateless', 'auto']);
