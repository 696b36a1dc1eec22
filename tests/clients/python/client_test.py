"""The official Python SDK, unmodified, against instances of a running Berth.

BERTH_CLIENT_TARGETS: JSON of {everything, memory1, memory2, rooms, time} -> URL. BERTH_TOKEN: a token for all.
"""

import asyncio
import json
import os
import sys
import unittest
from contextlib import asynccontextmanager

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

TARGETS = json.loads(os.environ["BERTH_CLIENT_TARGETS"])
TOKEN = os.environ["BERTH_TOKEN"]


@asynccontextmanager
async def session(name, token=TOKEN):
    headers = {"Authorization": f"Bearer {token}"}
    async with streamablehttp_client(TARGETS[name], headers=headers) as (read, write, _):
        async with ClientSession(read, write) as client:
            await client.initialize()
            yield client


def text_of(result):
    return "".join(getattr(part, "text", "") for part in result.content)


class Clients(unittest.IsolatedAsyncioTestCase):
    async def test_everything_lists_and_answers(self):
        async with session("everything") as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            self.assertIn("echo", names)
            self.assertIn("hello from Python", text_of(await client.call_tool("echo", {"message": "hello from Python"})))
            self.assertIn("42", text_of(await client.call_tool("get-sum", {"a": 19, "b": 23})))

    async def test_memory_instances_are_apart(self):
        entity = {"name": f"py-{os.getpid()}", "entityType": "secret", "observations": ["only in the first"]}
        async with session("memory1") as first, session("memory2") as second:
            await first.call_tool("create_entities", {"entities": [entity]})
            self.assertIn(entity["name"], text_of(await first.call_tool("read_graph", {})))
            self.assertNotIn(entity["name"], text_of(await second.call_tool("read_graph", {})))

    async def test_clients_of_one_instance_in_session_mode_are_apart(self):
        async with session("rooms") as web, session("rooms") as desktop:
            for name, client in (("web", web), ("desktop", desktop)):
                entity = {"name": f"{name}-{os.getpid()}", "entityType": "secret", "observations": [f"of {name}"]}
                await client.call_tool("create_entities", {"entities": [entity]})
            for name, other, client in (("web", "desktop", web), ("desktop", "web", desktop)):
                seen = text_of(await client.call_tool("read_graph", {}))
                self.assertIn(f"{name}-{os.getpid()}", seen)
                self.assertNotIn(f"{other}-{os.getpid()}", seen)

    async def test_time_tells_the_time(self):
        async with session("time") as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            self.assertIn("convert_time", names)
            answer = await client.call_tool(
                "convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "UTC"}
            )
            self.assertIn("12:00", text_of(answer))

    async def test_progress_arrives(self):
        seen = []

        async def report(progress, _total, _message):
            seen.append(progress)

        async with session("everything") as client:
            arguments = {"duration": 1, "steps": 4}
            await client.call_tool("trigger-long-running-operation", arguments, progress_callback=report)
        self.assertGreaterEqual(len(seen), 3)

    async def test_calls_at_once_get_their_own_answers(self):
        async with session("everything") as client:
            calls = [client.call_tool("echo", {"message": f"number {n}."}) for n in range(20)]
            for n, answer in enumerate(await asyncio.gather(*calls)):
                self.assertIn(f"number {n}.", text_of(answer))

    async def test_wrong_token_is_refused(self):
        connected = False
        try:
            async with asyncio.timeout(20), session("everything", "bth_wrong"):
                connected = True
        except BaseException as refusal:  # an exception group of whatever the SDK's tasks raise
            self.assertNotIsInstance(refusal, (TimeoutError, KeyboardInterrupt))
        self.assertFalse(connected, "the token was taken")


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
