"""mcp 2.x signs in, in both eras."""

import asyncio

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from story import REDIRECT, TARGET, tell


def caller(mode):
    async def call(person):
        async def callback():
            params = await person.callback()
            return AuthorizationCodeResult(code=params["code"], state=params.get("state"), iss=params.get("iss"))

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
        async with httpx2.AsyncClient(auth=person.auth, timeout=30) as http:
            async with Client(streamable_http_client(TARGET, http_client=http), mode=mode) as client:
                return (await client.call_tool("test_simple_text", {})).content[0].text

    return call


async def main():
    for mode in ("legacy", "2026-07-28"):
        await tell(f"python-2-{mode}", caller(mode))


asyncio.run(main())
