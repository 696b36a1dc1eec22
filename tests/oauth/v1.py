"""mcp 1.x signs in."""

import asyncio
from datetime import timedelta

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.auth import OAuthClientMetadata

from story import REDIRECT, TARGET, tell


async def call(person):
    async def callback():
        params = await person.callback()
        return params["code"], params.get("state")

    metadata = OAuthClientMetadata(
        client_name=person.name,
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    # What it knows of its tokens beside their text, it knows for as long as it lives.
    person.auth = person.auth or OAuthClientProvider(
        TARGET, metadata, person, person.redirect, callback, client_metadata_url=person.document
    )
    async with (
        streamablehttp_client(TARGET, auth=person.auth, timeout=timedelta(seconds=30)) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return (await session.call_tool("test_simple_text", {})).content[0].text


asyncio.run(tell("python-1", call))
