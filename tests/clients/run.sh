#!/usr/bin/env bash
# The official client SDKs, unmodified, against a Berth started here with real servers from npm and PyPI.
#
#   BERTH_BIN=target/release/berth tests/clients/run.sh      default: target/debug/berth
#
# Ends with a check that no process of any instance is left.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
[ -x "$BERTH_BIN" ] || die "$BERTH_BIN is not there; build it: cargo build --bin berth"
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
BERTH_DATA_DIR=$work/data
mkdir "$BERTH_DATA_DIR"
export BERTH_SERVICES_DIR=$ROOT/mcp-servers
tools=$ROOT/target/client-tests

clean_up() {
    local status=$?
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

install_clients() {
    (cd tests/clients/ts && npm ci --no-audit --no-fund --silent)
    if [ ! -x "$tools/venv/bin/python" ]; then
        mkdir -p "$tools"
        python3 -m venv "$tools/venv"
    fi
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r tests/clients/python/requirements.txt
}

title "Installing the client SDKs"
install_clients
title "Starting Berth and four instances"
berth_up
token=$(new_user client@example.com)
declare -A ids urls
for name in everything memory1 memory2 time; do ids[$name]=$(create_instance "$token" "${name%[12]}"); done
for name in "${!ids[@]}"; do
    urls[$name]=$(wait_running "$token" "${ids[$name]}" 300)
    say "$name: ${urls[$name]}"
done
export BERTH_TOKEN=$token
BERTH_CLIENT_TARGETS=$(printf '{"everything":"%s","memory1":"%s","memory2":"%s","time":"%s"}' \
    "${urls[everything]}" "${urls[memory1]}" "${urls[memory2]}" "${urls[time]}")
export BERTH_CLIENT_TARGETS

status=0
title "TypeScript SDK"
(cd tests/clients/ts && node --test) || status=1
title "Python SDK"
"$tools/venv/bin/python" tests/clients/python/client_test.py || status=1

title "Tearing down"
berth_down || status=1
left=$(processes_of "$work")
if [ -n "$left" ]; then
    printf 'processes left behind:\n%s\n' "$left" >&2
    status=1
else
    say "no process is left"
fi
[ "$status" = 0 ]
