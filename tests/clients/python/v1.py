"""mcp 1.x: the session era alone."""

import asyncio
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from checks import ROOTS, bearer, run_matrix


class Connection:
    def __init__(self, session, version, changes):
        self.session, self.agreed, self.changes = session, version, changes

    def version(self):
        return self.agreed

    async def tools(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, name, arguments, progress=None):
        result = await self.session.call_tool(name, arguments, progress_callback=progress)
        text = "".join(part.text for part in result.content)
        return {"text": text, "error": result.isError, "structured": result.structuredContent}

    async def resources(self):
        return [str(resource.uri) for resource in (await self.session.list_resources()).resources]

    async def read(self, uri):
        return (await self.session.read_resource(uri)).contents[0].text

    async def prompts(self):
        return [prompt.name for prompt in (await self.session.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return (await self.session.get_prompt(name, arguments)).messages[0].content.text

    @asynccontextmanager
    async def tool_changes(self):
        yield self.changes.get


@asynccontextmanager
async def transport(target, exchanges):
    if "url" not in target:
        async with stdio_client(StdioServerParameters(command=target["command"], args=target["args"])) as (read, write):
            yield read, write
        return
    hooks = {"response": [exchanges.note]}
    async with (
        httpx.AsyncClient(headers=bearer(), timeout=30, event_hooks=hooks) as http,
        streamable_http_client(target["url"], http_client=http) as (read, write, _),
    ):
        yield read, write


@asynccontextmanager
async def connect(target, _era, answers, exchanges):
    changes = asyncio.Queue()

    async def elicit(_context, params):
        content = answers.elicit(params.message, params.requestedSchema)
        return types.ElicitResult(action="accept" if content else "decline", content=content)

    async def sample(_context, params):
        model, text = answers.sample(params.messages[0].content)
        content = types.TextContent(type="text", text=text)
        return types.CreateMessageResult(role="assistant", model=model, content=content)

    async def roots(_context):
        return types.ListRootsResult(roots=[types.Root(uri=uri, name=name) for uri, name in ROOTS])

    async def message(incoming):
        if isinstance(getattr(incoming, "root", None), types.ToolListChangedNotification):
            changes.put_nowait(incoming)

    async with (
        transport(target, exchanges) as (read, write),
        ClientSession(
            read,
            write,
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=roots,
            message_handler=message,
        ) as session,
    ):
        agreed = await session.initialize()
        yield Connection(session, agreed.protocolVersion, changes)


async def status_of(url, headers, body):
    async with httpx.AsyncClient() as http:
        return (await http.post(url, headers=headers, json=body)).status_code


run_matrix("python-1", connect, status_of, ["session"])
