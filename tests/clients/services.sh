#!/usr/bin/env bash
# The built-in services, shared by all, from an official client to a stand-in of the outside API and back: see
# ts/services.mjs.
#
#   BERTH_BIN=target/release/berth tests/clients/services.sh      default: target/debug/berth
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
[ -x "$BERTH_BIN" ] || die "$BERTH_BIN is not there; build it: cargo build --bin berth"
work=$(mktemp -d)
chmod 755 "$work" # services run as other users
export BERTH_DATA_DIR=$work/data
mkdir "$BERTH_DATA_DIR"
started=()

clean_up() {
    local status=$? pid
    berth_down || status=1
    for pid in "${started[@]}"; do end_process "$pid" 10 || true; done
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
retry "the stand-in of GitHub" npm_ci mcp-servers/github

# stand_in NAME PREFIX: starts it with a key of each of two users; prints its URL.
declare -A urls
stand_in() {
    local name=$1 prefix=$2 tenths=0
    node "tests/stand-ins/$name.mjs" --token "${prefix}alice=alice" --token "${prefix}bob=bob" \
        >"$work/$name.json" 2>>"$work/stand-ins.log" &
    started+=("$!")
    until [ -s "$work/$name.json" ]; do
        sleep 0.1
        tenths=$((tenths + 1))
        [ "$tenths" -lt 300 ] || die "the stand-in of $name did not start: $(cat "$work/stand-ins.log")"
    done
    urls[$name]=$(json url <"$work/$name.json")
}

stand_in github ghp_
stand_in figma figd_
stand_in slack xoxb-
stand_in gmail ya29.
export BERTH_SERVICES_DIR=$ROOT/mcp-servers BERTH_ALLOW_PRIVATE_TARGETS=127.0.0.1
export BERTH_SERVICE_ENV="github.GITHUB_API_URL=${urls[github]},figma.FIGMA_API_URL=${urls[figma]},slack.SLACK_API_URL=${urls[slack]}/api,gmail.GMAIL_API_URL=${urls[gmail]}"
STAND_INS=$(printf '{"github":{"url":"%s","keys":{"alice":"ghp_alice","bob":"ghp_bob"}},"figma":{"url":"%s","keys":{"alice":"figd_alice","bob":"figd_bob"}},"slack":{"url":"%s","keys":{"alice":"xoxb-alice","bob":"xoxb-bob"}},"gmail":{"url":"%s","keys":{"alice":"ya29.alice","bob":"ya29.bob"}}}' \
    "${urls[github]}" "${urls[figma]}" "${urls[slack]}" "${urls[gmail]}")
export STAND_INS
berth_up
BERTH_TOKEN=$(new_user new@example.com)
export BERTH_TOKEN BERTH_URL
# Streams of a test that failed would keep it from ending.
node --test --test-force-exit --test-reporter=spec tests/clients/ts/services.mjs
