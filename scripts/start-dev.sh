#!/usr/bin/env bash
# A debug build that restarts whenever a source, a migration, a manifest or a page changes.
# Uses watchexec or cargo-watch where installed, else looks for changes once a second.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"
check_cargo
check_node

export BERTH_DATA_DIR=${BERTH_DATA_DIR:-$ROOT/data}
export BERTH_LOG=${BERTH_LOG:-berth=debug,info}
watched=()
for path in src migrations static mcp-servers Cargo.toml; do
    [ -e "$path" ] && watched+=("$path")
done

if have watchexec; then
    exec watchexec --restart "${watched[@]/#/--watch=}" -- cargo run --bin berth -- serve "$@"
fi
if cargo watch --version >/dev/null 2>&1; then
    exec cargo watch "${watched[@]/#/--watch=}" -x "run --bin berth -- serve $*"
fi

pid=
stop() {
    [ -z "$pid" ] || end_process "$pid" 30 || true
    pid=
}
trap stop EXIT
trap 'exit 130' INT TERM

# What changes when a file is written, added or removed.
fingerprint() { find "${watched[@]}" -name node_modules -prune -o -type f -printf '%p %T@ %s\n' | cksum; }

say "neither watchexec nor cargo-watch is installed: looking for changes once a second"
while true; do
    seen=$(fingerprint)
    if cargo build --bin berth; then
        stop
        target/debug/berth serve "$@" &
        pid=$!
    fi
    while [ "$(fingerprint)" = "$seen" ]; do sleep 1; done
    title "Changed"
done
