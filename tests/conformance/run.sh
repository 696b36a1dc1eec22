#!/usr/bin/env bash
# The official MCP conformance suite, through a Berth started here, on the servers of tests/conformance_server.
#
#   BERTH_BIN=target/debug/berth tests/conformance/run.sh [--only RUN[,RUN…]]
#
# Runs: a  2025-11-25 on a stdio server of the session era    c  2026-07-28 on the same
#       b  2026-07-28 on a stateless stdio server             d  2025-11-25 on the same
#       ea to ed: the same four on HTTP servers; e: all of them
# What each must come to is in expected.json. The suite's own results stay in target/conformance.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

here=$ROOT/tests/conformance
runs=(a b c d ea eb ec ed)
while [ $# -gt 0 ]; do
    case $1 in
    --only)
        only=,${2:?--only names runs},
        only=${only//,e,/,ea,eb,ec,ed,}
        read -ra runs <<<"${only//,/ }"
        shift 2
        ;;
    *) die "unknown argument $1; see the head of $0" ;;
    esac
done

BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
fixture=$(dirname "$BERTH_BIN")/conformance-server
for program in "$BERTH_BIN" "$fixture"; do
    [ -x "$program" ] || die "$program is not there; build it: cargo build --bin $(basename "$program")"
done
results=$ROOT/target/conformance
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
BERTH_DATA_DIR=$work/data
export BERTH_SERVICES_DIR=$work/services
mkdir "$BERTH_DATA_DIR" "$BERTH_SERVICES_DIR"
proxy_pid=

clean_up() {
    local status=$?
    [ -z "$proxy_pid" ] || end_process "$proxy_pid" 10 || status=1
    berth_down || status=1
    if [ "$status" != 0 ]; then
        title "The last lines of Berth's log"
        tail -n 30 "$BERTH_DATA_DIR.log" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# write_service NAME KIND ERA [ARGUMENT…]
write_service() {
    local name=$1 kind=$2 era=$3 transport=stdio argument
    shift 3
    [ "$kind" = command ] || transport=http
    mkdir "$BERTH_SERVICES_DIR/$name"
    {
        printf 'name = "%s"\ndisplay_name = "%s"\ntransport = "%s"\n' "$name" "$name" "$transport"
        [ "$transport" = stdio ] || printf 'network = "loopback"\n'
        printf '\n[launch]\nkind = "%s"\ncommand = "%s"\nargs = ["--era", "%s"' "$kind" "$fixture" "$era"
        for argument in "$@"; do printf ', "%s"' "$argument"; done
        printf ']\n'
        [ "$transport" = stdio ] || printf '\n[health]\nendpoint = "/health"\n'
    } >"$BERTH_SERVICES_DIR/$name/service.toml"
}

# The child or the requirements of a run.
of_run() { json "runs.$1.$2" <"$here/expected.json"; }

start_proxy() {
    local announced=$work/proxy.out tenths=0
    # The suite knows Berth by 127.0.0.1, one of its names; what really listens there is the proxy.
    BERTH_TOKEN=$token node "$here/proxy.mjs" "127.0.0.1:${BERTH_LISTEN##*:}" "$BERTH_LISTEN" "$@" \
        </dev/null >"$announced" &
    proxy_pid=$!
    until grep -q listening "$announced"; do
        kill -0 "$proxy_pid" 2>/dev/null || die "the proxy did not start"
        sleep 0.1
        tenths=$((tenths + 1))
        [ "$tenths" -lt 100 ] || die "the proxy did not come up within 10 s"
    done
}

for run in "${runs[@]}"; do
    [ -n "$(of_run "$run" child)" ] || die "there is no run $run; see the head of $0"
done

title "Installing the conformance suite"
install_conformance_suite
say "$("$suite_node" --version) runs it"

title "Starting Berth and an instance for each run"
for era in session stateless; do
    write_service "$era-stdio" command "$era"
    write_service "$era-http" http "$era" --http
done
BERTH_HOST=127.0.0.2 berth_up
token=$(new_user conformance@example.com)
declare -A ids
routes=()
for run in "${runs[@]}"; do ids[$run]=$(create_instance "$token" "$(of_run "$run" child)"); done
failed=0
up=()
for run in "${runs[@]}"; do
    rm -rf "${results:?}/$run"
    if url=$(wait_running "$token" "${ids[$run]}" 60); then
        up+=("$run")
        routes+=("$run=/${url#*://*/}")
        say "$run: $(of_run "$run" child) at $url"
    else
        failed=1
    fi
done
start_proxy "${routes[@]}"

for run in "${up[@]}"; do
    revision=$(of_run "$run" requirements)
    title "Run $run: $revision on $(of_run "$run" child)"
    mkdir -p "$results/$run"
    # Its own verdict knows no exceptions; report.mjs judges.
    timeout 600 "$suite_node" "$here/node_modules/@modelcontextprotocol/conformance/dist/index.js" server \
        --url "http://127.0.0.1:${BERTH_LISTEN##*:}/$run/mcp" --requirements "$revision" \
        -o "$results/$run" >"$results/$run/output.txt" 2>&1 || true
    grep '^Total:' "$results/$run/output.txt" || {
        tail -n 20 "$results/$run/output.txt"
        failed=1
    }
done

title "Results"
node "$here/report.mjs" "$results" "${runs[@]}" || failed=1
[ "$failed" = 0 ]
