#!/usr/bin/env bash
# People with a browser (Chromium, desktop and phone) use the dashboard of a Berth started here, with real processes behind
# its instances: every flow, what happens when something is lost in the middle, accessibility of every page in both
# themes, size and speed of the first one.
#
#   BERTH_BIN=target/debug/berth tests/dashboard/run.sh [FILE.test.mjs…]
#   tests/dashboard/run.sh --shots DIRECTORY [PAGE…]       pictures of every page instead, light and dark, phone and desk
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

shots=
if [ "${1:-}" = --shots ]; then
    shots=$(mkdir -p "${2:?--shots names a directory}" && readlink -f "$2")
    shift 2
fi

here=$ROOT/tests/dashboard
BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
BERTH_FAKE=$(dirname "$BERTH_BIN")/fake-mcp
for program in "$BERTH_BIN" "$BERTH_FAKE"; do
    [ -x "$program" ] || die "$program is not there; build it: cargo build --bin $(basename "$program")"
done
export BERTH_BIN BERTH_FAKE

title "Installing the browser and what the tests need"
find_chromium() { BERTH_CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome); }
find_chromium || { apt_install chromium && find_chromium; } || {
    warn "there is no Chromium, and it could not be installed"
    exit 77
}
export BERTH_CHROMIUM
[ -z "$shots" ] || [ -n "$(fc-list ':lang=und-zsye' 2>/dev/null)" ] || apt_install fonts-noto-color-emoji || warn "icons of services will be missing"
retry "playwright-core and axe-core" npm_ci "$here"
retry "the stand-in of GitHub" npm_ci mcp-servers/github

work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export BERTH_WORK=$work

if [ -n "$shots" ]; then
    title "Taking pictures"
    node "$here/shots.mjs" "$shots" "$@"
    exit
fi
files=("$@")
[ ${#files[@]} -gt 0 ] || files=("$here"/*.test.mjs)
# One file at a time: each starts a Berth of its own, and two cores are few. Streams of a test that failed would keep it
# from ending.
node --test --test-force-exit --test-concurrency=1 --test-reporter=spec "${files[@]}"
