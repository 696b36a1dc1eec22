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

# stand_in NAME ARGUMENT…: starts it and notes its URL.
declare -A urls
stand_in() {
    local name=$1 tenths=0
    node "tests/stand-ins/$name.mjs" "${@:2}" >"$work/$name.json" 2>>"$work/stand-ins.log" &
    started+=("$!")
    until [ -s "$work/$name.json" ]; do
        sleep 0.1
        tenths=$((tenths + 1))
        [ "$tenths" -lt 300 ] || die "the stand-in of $name did not start: $(cat "$work/stand-ins.log")"
    done
    urls[$name]=$(json url <"$work/$name.json")
}

# keys PREFIX: of each of two users.
keys() { printf -- '--token %salice=alice --token %sbob=bob' "$1" "$1"; }

# shellcheck disable=SC2046 # words, on purpose
{
    stand_in github $(keys ghp_)
    stand_in figma $(keys figd_)
    stand_in slack $(keys xoxb-)
    stand_in gmail $(keys ya29.)
}
# Tokens that end while the test looks on.
stand_in google-oauth --client berth=outside-secret --auto carol --expires-in 4 --tell "${urls[gmail]}"
export BERTH_SERVICES_DIR=$ROOT/mcp-servers BERTH_ALLOW_PRIVATE_TARGETS=127.0.0.1
export BERTH_SERVICE_ENV="github.GITHUB_API_URL=${urls[github]},figma.FIGMA_API_URL=${urls[figma]},slack.SLACK_API_URL=${urls[slack]}/api,gmail.GMAIL_API_URL=${urls[gmail]}"
BERTH_SERVICE_ENV+=",gmail.GOOGLE_ACCOUNTS_URL=${urls[google-oauth]},gmail.GOOGLE_OAUTH_URL=${urls[google-oauth]}"
STAND_INS=$(printf '{"github":{"url":"%s","keys":{"alice":"ghp_alice","bob":"ghp_bob"}},"figma":{"url":"%s","keys":{"alice":"figd_alice","bob":"figd_bob"}},"slack":{"url":"%s","keys":{"alice":"xoxb-alice","bob":"xoxb-bob"}},"gmail":{"url":"%s","keys":{"alice":"ya29.alice","bob":"ya29.bob"}}}' \
    "${urls[github]}" "${urls[figma]}" "${urls[slack]}" "${urls[gmail]}")
export STAND_INS
berth_up
# The password is what new_user gives everybody.
BERTH_EMAIL=new@example.com BERTH_PASSWORD="a long enough password"
BERTH_TOKEN=$(new_user "$BERTH_EMAIL")
export BERTH_TOKEN BERTH_URL BERTH_EMAIL BERTH_PASSWORD
printf outside-secret | "$BERTH_BIN" service oauth-client set gmail --client-id berth
# Streams of a test that failed would keep it from ending.
node --test --test-force-exit --test-reporter=spec tests/clients/ts/services.mjs
