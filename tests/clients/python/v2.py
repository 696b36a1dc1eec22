"""mcp 2.x: both eras, and `auto`, which finds out."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from checks import NEWER, ROOTS, bearer, run_matrix

MODES = {"session": "legacy", "stateless": NEWER, "auto": "auto"}


class Connection:
    def __init__(self, client, changes):
        self.client, self.changes = client, changes
        self.agreed = client.protocol_version

    def version(self):
        return self.agreed

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, name, arguments, progress=None):
        result = await self.client.call_tool(name, arguments, progress_callback=progress)
        text = "".join(part.text for part in result.content)
        return {"text": text, "error": result.is_error, "structured": result.structured_content}

    async def resources(self):
        return [resource.uri for resource in (await self.client.list_resources()).resources]

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0].text

    async def prompts(self):
        return [prompt.name for prompt in (await self.client.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return (await self.client.get_prompt(name, arguments)).messages[0].content.text

    @asynccontextmanager
    async def tool_changes(self):
        if self.agreed < NEWER:
            yield self.changes.get
            return
        async with self.client.listen(tools_list_changed=True) as subscription:
            yield subscription.__anext__


@asynccontextmanager
async def server_of(target, exchanges):
    if "url" not in target:
        yield StdioServerParameters(command=target["command"], args=target["args"])
        return
    hooks = {"response": [exchanges.note]}
    async with httpx2.AsyncClient(headers=bearer(), timeout=30, event_hooks=hooks) as http:
        yield streamable_http_client(target["url"], http_client=http)


@asynccontextmanager
async def connect(target, era, answers, exchanges):
    changes = asyncio.Queue()

    async def elicit(_context, params):
        content = answers.elicit(params.message, params.requested_schema)
        return types.ElicitResult(action="accept" if content else "decline", content=content)

    async def sample(_context, params):
        model, text = answers.sample(params.messages[0].content)
        content = types.TextContent(type="text", text=text)
        return types.CreateMessageResult(role="assistant", model=model, content=content)

    async def roots(_context):
        return types.ListRootsResult(roots=[types.Root(uri=uri, name=name) for uri, name in ROOTS])

    async def message(incoming):
        if isinstance(incoming, types.ToolListChangedNotification):
            changes.put_nowait(incoming)

    async with (
        server_of(target, exchanges) as server,
        Client(
            server,
            mode=MODES[era],
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=roots,
            message_handler=message,
        ) as client,
    ):
        yield Connection(client, changes)


async def status_of(url, headers, body):
    async with httpx2.AsyncClient() as http:
        return (await http.post(url, headers=headers, json=body)).status_code


run_matrix("python-2", connect, status_of, ["session", "stateless", "auto"])
