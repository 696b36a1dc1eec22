"""What every Python client does with every server, in every era: one line of JSON per check.

BERTH_MATRIX: JSON of {server -> {url} or {command, args}, and `stateless`: whether the newer era is spoken there}.
BERTH_ERAS: which to run, of session, stateless and auto. BERTH_RESULTS: file that takes the lines.
"""

import asyncio
import json
import os
from dataclasses import dataclass

PATIENCE_SECONDS = 15
ROOTS = [("file:///srv/first", "first"), ("file:///srv/second", "second")]
NEWER = "2026-07-28"
TOOLS = ["add", "ask_model", "ask_user", "change_tools", "echo", "fail", "list_roots", "progress"]


@dataclass
class Answers:
    """What the client's side answers. Every connection has a name: an answer that went to another is seen."""

    name: str

    def elicit(self, message, schema):
        """The content to accept with, or None to decline."""
        equal(list(schema["properties"]), ["answer"])
        return None if message.startswith("decline") else {"answer": f"{self.name} says yes to {message}"}

    def sample(self, content):
        part = content[0] if isinstance(content, list) else content
        return f"model of {self.name}", part.text.upper()


class Exchanges(list):
    """What went over the wire, as hooks of the HTTP client note it: (verb, status, session id)."""

    async def note(self, response):
        self.append((response.request.method, response.status_code, response.headers.get("mcp-session-id")))


@dataclass
class Cell:
    connection: object
    exchanges: Exchanges
    era: str
    target: dict
    name: str
    second: object
    status_of: object


def equal(actual, wanted):
    if actual != wanted:
        raise AssertionError(f"{actual!r} is not {wanted!r}")


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def ask_user(connection, question):
    text = (await connection.call("ask_user", {"question": question}))["text"]
    try:
        return json.loads(text)
    except ValueError:
        raise AssertionError(f"not an answer of the user: {text!r}") from None


async def check_connect(cell):
    newer = cell.era == "stateless" or (cell.era == "auto" and cell.target["stateless"])
    version = cell.connection.version()
    equal((version >= NEWER, version), (newer, version))


async def check_tools(cell):
    equal(sorted(name for name in await cell.connection.tools() if name != "extra"), TOOLS)


async def check_echo(cell):
    text = f"ünïcode from {cell.name}"
    equal((await cell.connection.call("echo", {"text": text}))["text"], text)


async def check_add(cell):
    result = await cell.connection.call("add", {"a": 19, "b": 23})
    equal((result["text"], result["structured"]), ("42", {"sum": 42}))


async def check_progress(cell):
    seen = []

    async def note(progress, total, _message):
        seen.append((progress, total))

    equal((await cell.connection.call("progress", {"steps": 4}, note))["text"], "4 steps done")
    equal(seen, [(step, 4) for step in (1, 2, 3, 4)])


async def check_elicit_accept(cell):
    wanted = {"action": "accept", "answer": f"{cell.name} says yes to tea?"}
    equal(await ask_user(cell.connection, "tea?"), wanted)


async def check_elicit_decline(cell):
    equal(await ask_user(cell.connection, "decline this"), {"action": "decline", "answer": None})


async def check_sampling(cell):
    equal((await cell.connection.call("ask_model", {"prompt": "shout"}))["text"], f"model of {cell.name}: SHOUT")


async def check_roots(cell):
    equal((await cell.connection.call("list_roots", {}))["text"], "file:///srv/first\nfile:///srv/second")


async def check_resource(cell):
    equal(await cell.connection.resources(), ["test://greeting"])
    equal(await cell.connection.read("test://greeting"), "Good morning.")


async def check_prompt(cell):
    equal(await cell.connection.prompts(), ["summarize"])
    equal(await cell.connection.prompt("summarize", {"subject": "tides"}), "Summarize tides.")


async def check_tool_error(cell):
    result = await cell.connection.call("fail", {})
    equal((result["text"], result["error"]), ("this tool always fails", True))


async def check_list_changed(cell):
    # In a session, changes are told on a GET stream, which the client opens by itself a little later.
    if "url" in cell.target and cell.connection.version() < NEWER:
        await until(lambda: any(verb == "GET" and status == 200 for verb, status, _ in cell.exchanges))
    async with cell.connection.tool_changes() as next_change:
        for _ in ("offered", "withdrawn"):
            before = await cell.connection.tools()
            await cell.connection.call("change_tools", {})
            await next_change()
            after = await cell.connection.tools()
            equal("extra" in after, "extra" not in before)


async def check_apart(cell):
    """Two connections that are asked at the same time answer each for itself."""
    async with cell.second(f"{cell.name}-second") as other:
        asked = (ask_user(cell.connection, "one?"), ask_user(other, "two?"))
        both = await asyncio.gather(*asked, return_exceptions=True)
    for answer in both:
        if isinstance(answer, BaseException):
            raise answer
    wanted = [f"{cell.name} says yes to one?", f"{cell.name}-second says yes to two?"]
    equal([answer["answer"] for answer in both], wanted)


async def check_end(cell):
    """Runs after the connection was closed."""
    if "url" not in cell.target:
        return
    version = cell.connection.version()
    session = next((session for _, _, session in cell.exchanges if session), None)
    if version >= NEWER:
        equal((session, {verb for verb, _, _ in cell.exchanges}), (None, {"POST"}))
        return
    if session is None:
        raise AssertionError("no session was opened")
    deleted = [status for verb, status, _ in cell.exchanges if verb == "DELETE"]
    equal([200 <= status < 300 for status in deleted], [True])
    headers = {
        **bearer(),
        "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": version,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    equal(await cell.status_of(cell.target["url"], headers, body), 404)


CHECKS = {
    "connect": check_connect,
    "tools": check_tools,
    "echo": check_echo,
    "add": check_add,
    "progress": check_progress,
    "elicit_accept": check_elicit_accept,
    "elicit_decline": check_elicit_decline,
    "sampling": check_sampling,
    "roots": check_roots,
    "resource": check_resource,
    "prompt": check_prompt,
    "tool_error": check_tool_error,
    "list_changed": check_list_changed,
    "apart": check_apart,
}


def bearer():
    token = os.environ.get("BERTH_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def detail_of(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def run_cell(client, connect, status_of, server, target, era):
    """`connect(target, era, answers, exchanges)` is a context manager: a connection of the client under test."""
    last = "connect"

    def report(check, error=None):
        line = {"client": client, "server": server, "era": era, "check": check, "status": "fail" if error else "pass"}
        if error:
            line["detail"] = detail_of(error)
        with open(os.environ["BERTH_RESULTS"], "a", encoding="utf-8") as results:
            results.write(json.dumps(line) + "\n")

    async def perform(check, steps):
        nonlocal last
        last = check
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await steps
        except TimeoutError:
            raise AssertionError(f"no answer in {PATIENCE_SECONDS} s") from None
        except Exception as error:
            report(check, error)
        else:
            report(check)

    name = f"{client}-{era}-{server}"
    exchanges = Exchanges()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS * 4):
            async with connect(target, era, Answers(name), exchanges) as connection:
                def second(as_name):
                    return connect(target, era, Answers(as_name), Exchanges())

                cell = Cell(connection, exchanges, era, target, name, second, status_of)
                for check, steps in CHECKS.items():
                    await perform(check, steps(cell))
                last = "end"
        await perform("end", check_end(cell))
    except BaseException as error:  # an exception group of whatever the SDK's tasks raise
        report(last, error)


async def run_all(client, connect, status_of, spoken):
    targets = json.loads(os.environ["BERTH_MATRIX"]).items()
    for era in (era for era in os.environ["BERTH_ERAS"].split() if era in spoken):
        reachable = [(server, target) for server, target in targets if era != "stateless" or target["stateless"]]
        await asyncio.gather(
            *(run_cell(client, connect, status_of, server, target, era) for server, target in reachable)
        )


def run_matrix(client, connect, status_of, spoken):
    asyncio.run(run_all(client, connect, status_of, spoken))
