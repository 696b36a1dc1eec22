#!/usr/bin/env python3
"""Checks the curated list of services (src/catalog/curated/*.toml) against the registries, and by starting each.

For every npm and PyPI entry: the pinned version installs with the flags that Berth uses (no scripts of packages, only
wheels), is not deprecated or yanked, has the program that is meant, and answers `initialize` and `tools/list` on
standard input and output in a network namespace of its own, where nothing outside can be reached. The credential is
made up; `[checked]` of an entry may say one of the right form (`credential`) and values of config fields (`config`).

  scripts/check-catalog.py [--write] [--jobs N] [NAME...]

prints a line per entry, exits 1 when one failed. `--write` records the outcome in the entry's `[checked]`: the date,
and `outcome = "answers"` with the count of tools. `"needs_its_service"` is written by hand, where it plainly lists
nothing without its outside service; installing it is checked all the same. What does not install or start is not kept.
Needs Python 3.11, Node with npm, and `unshare` with the right to make a network namespace.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

LIST = pathlib.Path(__file__).resolve().parent.parent / "src/catalog/curated"
INSTALL_SECONDS, ANSWER_SECONDS = 900, 90
NPM = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--no-progress", "--save-exact"]
PIP = ["-m", "pip", "install", "--compile", "--only-binary=:all:", "--progress-bar=off", "--disable-pip-version-check"]
SEPARATE = ["unshare", "--net", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]


class Failure(Exception):
    """Why an entry is not fit for the list."""


def run(command, folder, seconds=INSTALL_SECONDS):
    command = ["nice", "-n", "15", *map(str, command)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise Failure("installation: " + said.strip()[-600:])
    return said


def install_npm(launch, folder):
    package, version = launch["package"], launch["version"]
    (folder / "package.json").write_text('{"private":true}\n')
    said = run([*NPM, "--prefix", folder, "--", f"{package}@{version}"], folder)
    if deprecated := re.search(rf"deprecated {re.escape(package)}@\S+ (.*)", said):
        raise Failure("deprecated: " + deprecated[1])
    home = folder / "node_modules" / package
    about = json.loads((home / "package.json").read_text())
    if about["version"] != version:
        raise Failure(f"installed {about['version']}")
    short = package.rsplit("/", 1)[-1]
    programs = about.get("bin") or {}
    programs = {short: programs} if isinstance(programs, str) else programs
    name = launch.get("entry") or (next(iter(programs)) if len(programs) == 1 else short)
    if name not in programs or not (home / programs[name]).is_file():
        raise Failure(f"no program {name!r}; it has {', '.join(programs) or 'none'}")
    return ["node", "--max-semi-space-size=1", (home / programs[name]).resolve()]


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def install_pypi(launch, folder):
    package, version = launch["package"], launch["version"]
    run([sys.executable, "-m", "venv", folder / "venv"], folder)
    python = folder / "venv/bin/python"
    said = run([python, *PIP, f"{package}=={version}"], folder)
    if "yanked" in said:
        raise Failure("yanked: " + said.split("yanked", 1)[1][:200])
    ask = ("import importlib.metadata as m,json,sys;"
           "print(json.dumps([e.name for e in m.distribution(sys.argv[1]).entry_points if e.group=='console_scripts']))")
    scripts = json.loads(run([python, "-c", ask, package], folder))
    alike = [script for script in scripts if normalized(script) == normalized(package)]
    name = launch.get("entry") or (scripts[0] if len(scripts) == 1 else next(iter(alike), None))
    if name is None or not (folder / "venv/bin" / name).is_file():
        raise Failure(f"no program {name!r}; it has {', '.join(scripts) or 'none'}")
    return [python, folder / "venv/bin" / name]


def expand(text, values):
    return re.sub(r"\{([A-Za-z_.-]+)\}", lambda m: values.get(m[1], m[0]), text)


def prepared(entry, folder):
    """Arguments and environment, as Berth fills them, with made-up values."""
    checked = entry.get("checked", {})
    places = {"DATA_DIR": folder / "data", "HOME_DIR": folder / "home", "TMP_DIR": folder / "tmp"}
    for place in places.values():
        place.mkdir()
    values = {key: str(place) for key, place in places.items()}
    credential = checked.get("credential", "dummy-credential-0000000000000000")
    given = checked.get("config", {})
    for field in entry.get("config", []):
        value = given.get(field["name"], field.get("default", "127.0.0.1" if field["name"] == "HOST" else "dummy"))
        values["config." + field["name"]] = expand(value, values)
    env = {"PATH": os.environ["PATH"], "HOME": values["HOME_DIR"], "TMPDIR": values["TMP_DIR"], "LANG": "C.UTF-8"}
    with_credential = values | {"credential": credential}
    env |= {key: expand(value, with_credential) for key, value in entry.get("env", {}).items()}
    if name := entry.get("credential", {}).get("env"):
        env[name] = credential
    return [expand(arg, values) for arg in entry["launch"].get("args", [])], env, places["DATA_DIR"]


def ask(process, message, deadline):
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    while "id" in message:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            raise Failure(f"no answer to {message['method']} within {ANSWER_SECONDS} s")
        line = process.stdout.readline()
        if not line:
            raise Failure(f"ended before it answered {message['method']}")
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and answer.get("id") == message["id"] and "method" not in answer:
            if "error" in answer:
                raise Failure(f"{message['method']}: {answer['error']}")
            return answer["result"]
    return None


def count_tools(command, env, place):
    said = open(place.parent / "stderr", "w+", encoding="utf-8", errors="replace")
    process = subprocess.Popen(
        [*SEPARATE, *map(str, command)], cwd=place, env=env, text=True, bufsize=1, encoding="utf-8", errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True)
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        client = {"name": "check-catalog", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        ask(process, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}, deadline)
        ask(process, {"jsonrpc": "2.0", "method": "notifications/initialized"}, deadline)
        count, cursor = 0, None
        while True:
            params = {"cursor": cursor} if cursor else {}
            result = ask(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": params}, deadline)
            count += len(result["tools"])
            cursor = result.get("nextCursor")
            if not cursor:
                return count
    except (Failure, OSError) as failure:
        said.seek(0)
        tail = said.read()[-700:].strip()
        raise Failure(f"start: {failure}; it said: {tail}") from failure
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def check(path):
    entry = tomllib.loads(path.read_text())
    launch = entry["launch"]
    if launch["kind"] not in ("npm", "pypi"):
        return {"name": entry["name"], "outcome": "not_reached"}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="check-catalog-"))
    began = time.monotonic()
    try:
        install = install_npm if launch["kind"] == "npm" else install_pypi
        command = install(launch, folder)
        installed = time.monotonic() - began
        args, env, place = prepared(entry, folder)
        tools = count_tools([*command, *args], env, place)
        return {"name": entry["name"], "outcome": "answers", "tools": tools, "install_seconds": round(installed)}
    except (Failure, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as failure:
        # A person has seen why, once: it lists nothing without its outside service.
        if entry.get("checked", {}).get("outcome") == "needs_its_service" and str(failure).startswith("start: "):
            return {"name": entry["name"], "outcome": "needs_its_service"}
        return {"name": entry["name"], "outcome": "failed", "reason": str(failure)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(path, found):
    """Puts the outcome into `[checked]`, which is the last table; what says how to check stays."""
    head, _, tail = path.read_text().partition("\n[checked]\n")
    kept = [line for line in tail.splitlines() if line.startswith(("credential =", "config =", "note ="))]
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    said = [f'outcome = "{found["outcome"]}"', f'date = "{date}"']
    if "tools" in found:
        said.append(f"tools = {found['tools']}")
    path.write_text(head + "\n[checked]\n" + "\n".join(said + kept) + "\n")


def main():
    parser = argparse.ArgumentParser(description="checks the curated list of services")
    parser.add_argument("--write", action="store_true", help="record what answers")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    paths = [LIST / f"{name}.toml" for name in given.names] or sorted(LIST.glob("*.toml"))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for path, found in zip(paths, pool.map(check, paths)):
            print(json.dumps(found), flush=True)
            failed += found["outcome"] == "failed"
            if given.write and found["outcome"] in ("answers", "needs_its_service"):
                write(path, found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
