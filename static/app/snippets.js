// How each client is connected to an instance: what to press, what to paste.

/** A name that clients take for a server: letters, digits, dashes. */
export const serverName = (instance) =>
    (instance.label || `${instance.service}-${instance.number}`).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "") || instance.service;

const json = (value) => JSON.stringify(value, null, 2);

/** Clients that sign in by themselves (OAuth), and programs that are given a token. */
export const clients = [
    {
        id: "claude", name: "Claude", token: false,
        steps: (name, url) => [
            { text: "In Claude, open Settings → Connectors → Add custom connector, and paste the address. Claude asks you to sign in here.", link: { href: "https://claude.ai/settings/connectors", name: "Open Claude’s connectors" } },
            { text: "Claude Desktop can also start it from its configuration file (Settings → Developer → Edit Config):",
                code: json({ mcpServers: { [name]: { command: "npx", args: ["-y", "mcp-remote", url] } } }) },
        ],
    },
    {
        id: "claude-code", name: "Claude Code", token: false,
        steps: (name, url) => [
            { text: "In a terminal; then /mcp in Claude Code signs you in:", code: `claude mcp add --transport http ${name} ${url}` },
        ],
    },
    {
        id: "cursor", name: "Cursor", token: false,
        steps: (name, url) => [
            { link: { href: `cursor://anysphere.cursor-deeplink/mcp/install?name=${encodeURIComponent(name)}&config=${encodeURIComponent(btoa(JSON.stringify({ url })))}`, name: "Add to Cursor" } },
            { text: "Or in ~/.cursor/mcp.json:", code: json({ mcpServers: { [name]: { url } } }) },
        ],
    },
    {
        id: "vscode", name: "VS Code", token: false,
        steps: (name, url) => [
            { link: { href: `vscode:mcp/install?${encodeURIComponent(JSON.stringify({ name, type: "http", url }))}`, name: "Add to VS Code" } },
            { text: "Or in .vscode/mcp.json:", code: json({ servers: { [name]: { type: "http", url } } }) },
        ],
    },
    {
        id: "python", name: "Python", token: true,
        steps: (name, url) => [
            { text: "pip install mcp, set BERTH_TOKEN to a token of yours, and:", code: `import asyncio, os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = "${url}"


async def main():
    headers = {"Authorization": f"Bearer {os.environ['BERTH_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            for tool in (await client.list_tools()).tools:
                print(tool.name)


asyncio.run(main())` },
        ],
    },
    {
        id: "typescript", name: "TypeScript", token: true,
        steps: (name, url) => [
            { text: "npm install @modelcontextprotocol/client, set BERTH_TOKEN to a token of yours, and:", code: `import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = new URL("${url}");
const headers = { Authorization: \`Bearer \${process.env.BERTH_TOKEN}\` };
const client = new Client({ name: "my-program", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
const { tools } = await client.listTools();
console.log(tools.map((tool) => tool.name));
await client.close();` },
        ],
    },
];
