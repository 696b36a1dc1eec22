#!/usr/bin/env bash
# The way of a configuration: one of Claude Desktop with three servers is imported, they run, and what is exported for
# each client is used unchanged: by the Inspector, by the official TypeScript SDK, and by the bridge that Claude Desktop
# would start.
#
#   BERTH_BIN=target/release/berth tests/clients/config.sh      default: target/debug/berth
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
[ -x "$BERTH_BIN" ] || die "$BERTH_BIN is not there; build it: cargo build --bin berth"
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
export BERTH_DATA_DIR=$work/data BERTH_SERVICES_DIR=$work/services
mkdir "$BERTH_DATA_DIR" "$BERTH_SERVICES_DIR" "$work/home"
started=()

clean_up() {
    local status=$? pid
    for pid in "${started[@]}"; do end_process "$pid" 10 || true; done
    berth_down || status=1
    if [ "$status" != 0 ]; then
        title "The last lines of Berth's log"
        tail -n 50 "$BERTH_DATA_DIR.log" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

retry "the TypeScript SDKs" npm_ci tests/clients/ts
retry "the Inspector" npm_ci tests/clients/inspector
retry "the TypeScript servers" npm_ci tests/clients/servers

# The third server of the configuration: one that runs elsewhere.
port=$(free_port)
PORT=$port node tests/clients/servers/v1-http.mjs >"$work/far.log" 2>&1 &
started+=("$!")
wait_for_url "http://127.0.0.1:$port/health" "$!" 30 || die "the server elsewhere did not start: $(cat "$work/far.log")"

cat >"$work/claude_desktop_config.json" <<JSON
{
  "mcpServers": {
    "everything": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything"] },
    "memory": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-memory@latest"],
      "env": { "MEMORY_API_KEY": "sk-proj-Zq8Kx2Lm4Np6Rt9V" }
    },
    "far": {
      "command": "npx",
      "args": ["-y", "mcp-remote", "http://127.0.0.1:$port/mcp", "--allow-http"]
    }
  }
}
JSON

berth_up
BERTH_TOKEN=$(new_user new@example.com)
"$BERTH_BIN" service import "$work/claude_desktop_config.json" --create --user new@example.com
if grep -rqF sk-proj-Zq8Kx2Lm4Np6Rt9V "$BERTH_DATA_DIR" "$BERTH_DATA_DIR.log"; then
    die "a secret of the configuration is on the disk"
fi
ids=$(api "$BERTH_TOKEN" GET /mcps | node -e '
    let text = ""; process.stdin.on("data", (part) => (text += part));
    process.stdin.on("end", () => JSON.parse(text).items.forEach(({ id }) => console.log(id)));')
for id in $ids; do wait_running "$BERTH_TOKEN" "$id"; done

for client in generic claude-code claude-desktop; do
    api "$BERTH_TOKEN" POST /client-config "{\"client\":\"$client\",\"token\":true,\"expires_days\":1}" >"$work/$client.json"
done

title "The Inspector reads the exported file"
packages=$ROOT/tests/clients/inspector/node_modules
case $(uname -m) in x86_64) arch=x64 ;; *) arch=arm64 ;; esac
for server in everything-1 memory-1 far-1; do
    tools=$("$packages/node-linux-$arch/bin/node" "$packages/@modelcontextprotocol/inspector/clients/launcher/build/index.js" \
        --cli --config "$work/generic.json" --server "$server" --method tools/list --format json --quiet |
        node -e 'let t = ""; process.stdin.on("data", (p) => (t += p)); process.stdin.on("end", () => console.log(JSON.parse(t).result.tools.length));')
    [ "$tools" -gt 0 ] || die "$server lists no tools"
    say "$server: $tools tools"
done

title "The official SDK takes what the exported files say"
HOME=$work/home CONFIGS=$work node --test --test-force-exit --test-reporter=spec tests/clients/ts/config.mjs
