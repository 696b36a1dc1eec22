"""What every Python client goes through; see story.mjs, whose variables it reads too. Never imports the SDK: each line has its own."""

import asyncio
import json
import os
import traceback
import urllib.error
import urllib.request
from urllib.parse import parse_qs

TARGET, BROWSER, DOCUMENTS = (os.environ[f"BERTH_{name}"] for name in ("TARGET", "BROWSER", "DOCUMENTS"))
REDIRECT = f"{BROWSER}/callback"


class Person:
    """Keeps what the SDK's TokenStorage is given, and goes to the browser."""

    def __init__(self, name, by):
        self.name, self.asked, self.tokens, self.client, self.url = name, 0, None, None, None
        self.document = f"{DOCUMENTS}/{name}.json" if by == "document" else None
        self.away, self.auth = False, None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def redirect(self, url):
        self.asked += 1
        self.url = url
        if self.away:
            raise PermissionError("the person is needed, and away")

    async def callback(self):
        answer = await asyncio.to_thread(post, f"{BROWSER}/open", {"url": self.url})
        params = {name: values[0] for name, values in parse_qs(answer["query"]).items()}
        assert params["iss"] == os.environ["BERTH_URL"], "RFC 9207"
        return params


def post(url, body):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="POST")) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def rest(method, path):
    headers = {"authorization": f"Bearer {os.environ['BERTH_TOKEN']}"}
    request = urllib.request.Request(f"{os.environ['BERTH_URL']}/api/v1{path}", method=method, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")


def take_back(person):
    """Takes back what the person has allowed this client."""
    known = {person.document, getattr(person.client, "client_id", None)}
    grants = [grant for grant in rest("GET", "/grants")["items"] if grant["client_id"] in known and not grant["revoked_at"]]
    assert grants, f"there is a grant of {person.name}"
    for grant in grants:
        rest("DELETE", f"/grants/{grant['id']}")


async def check(client, name, run):
    problem = None
    try:
        await run()
    except BaseException:
        problem = traceback.format_exc()
    with open(os.environ["BERTH_RESULTS"], "a", encoding="utf-8") as results:
        results.write(json.dumps({"client": client, "check": name, **({"problem": problem} if problem else {})}) + "\n")
    print("FAILED" if problem else "passed", client, name, problem or "", sep="  ", flush=True)
    return problem is None


async def tell(label, call):
    """`call(person)` connects with what the person has kept, calls the tool, and returns its text."""
    for by in ("registration", "document"):
        person = Person(f"{label}-{by}", by)

        async def first():
            assert "simple" in await call(person)
            assert person.asked == 1
            if by == "document":
                assert person.client is None or person.client.client_id == person.document

        async def later():
            before = person.tokens
            assert before.refresh_token and before.expires_in <= 10
            await asyncio.sleep(before.expires_in + 1.5)
            assert "simple" in await call(person)
            assert person.tokens.access_token != before.access_token
            assert person.tokens.refresh_token != before.refresh_token, "refresh tokens rotate"
            assert person.asked == 1, "the person is not asked again"

        async def revoked():
            take_back(person)
            person.away = True
            try:
                text = await call(person)
            except BaseException:
                text = None
            assert text is None, f"still answered: {text}"
            assert person.asked == 2, "only the person can let it in again"

        if await check(label, f"{by}: from 401 to a tool call", first):
            await check(label, f"{by}: past the end of the access token", later)
            await check(label, f"{by}: until it is taken back", revoked)
