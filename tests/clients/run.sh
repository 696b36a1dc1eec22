#!/usr/bin/env bash
# The official clients, unmodified, against a Berth started here with real servers from npm and PyPI: every client
# against every server in every era of the protocol, as a table, and more checks with some of them.
#
#   BERTH_BIN=target/release/berth tests/clients/run.sh      default: target/debug/berth
#
#   --direct       no Berth: the clients and the servers of tests/clients against each other
#   --eras ERAS    of `session stateless auto`, which is the default
#   --no-matrix    only the checks outside the table
#
# Ends with a check that no process of any instance is left.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

direct=
matrix=1
export BERTH_ERAS="session stateless auto"
while [ $# -gt 0 ]; do
    case $1 in
    --direct) direct=1 ;;
    --no-matrix) matrix= ;;
    --eras)
        BERTH_ERAS=${2:?--eras needs a value}
        shift
        ;;
    *) die "unknown option: $1" ;;
    esac
    shift
done

if [ -z "$direct" ]; then
    BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
    [ -x "$BERTH_BIN" ] || die "$BERTH_BIN is not there; build it: cargo build --bin berth"
fi
clients=$ROOT/tests/clients
tools=$ROOT/target/client-tests
node=$(node -p process.execPath)
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
BERTH_DATA_DIR=$work/data
mkdir "$BERTH_DATA_DIR" "$work/home"
export BERTH_SERVICES_DIR=$work/services
export BERTH_RESULTS=$work/results
started=()

clean_up() {
    local status=$? pid
    for pid in "${started[@]}"; do end_process "$pid" 10 || true; done
    berth_down || status=1
    if [ "$status" != 0 ] && [ -z "$direct" ]; then
        title "The last lines of Berth's log"
        tail -n 50 "$BERTH_DATA_DIR.log" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- installing -----------------------------------------------------------------------------------

install_clients() {
    mkdir -p "$tools"
    local line
    for line in v1 v2; do
        retry "the Python SDK $line" pip_install "$tools/python-$line" "$clients/python/requirements-$line.txt"
    done
    retry "the TypeScript SDKs" npm_ci "$clients/ts"
    [ -n "$matrix" ] || return 0
    retry "the TypeScript servers" npm_ci "$clients/servers"
    retry "the Inspector" npm_ci "$clients/inspector"
    cargo build --locked --quiet --example rmcp-client
}

# --- the servers of the matrix ---------------------------------------------------------------------

servers=(stdio-1 stdio-2 http-1 http-2)

# stdio-1 is the program v1-stdio.mjs, and so on.
program_of() { say "$work/servers/v${1#*-}-${1%-*}.mjs"; }

# Where instances, which run as other users, can read them.
copy_servers() { cp -r "$clients/servers" "$work/servers"; }

write_manifest() {
    local server=$1 kind=command network=none
    [ "${server%-*}" = stdio ] || { kind=http && network=loopback; }
    mkdir -p "$BERTH_SERVICES_DIR/matrix-$server"
    {
        printf 'name = "matrix-%s"\ndisplay_name = "%s"\ntransport = "%s"\n' "$server" "$server" "${server%-*}"
        printf 'modes = ["dedicated", "session"]\nnetwork = "%s"\nread_only = ["%s"]\n' "$network" "$work/servers"
        printf '[launch]\nkind = "%s"\ncommand = "%s"\nargs = ["%s"]\n' "$kind" "$node" "$(program_of "$server")"
        [ "$kind" = command ] || printf '[env]\nPORT = "{PORT}"\n[health]\nendpoint = "/health"\n'
    } >"$BERTH_SERVICES_DIR/matrix-$server/service.toml"
}

# targets NAME=MEMBERS…: the JSON that the clients read.
targets() {
    local target separator=
    printf '{'
    for target in "$@"; do
        printf '%s"%s":{%s}' "$separator" "${target%%=*}" "${target#*=}"
        separator=,
    done
    printf '}'
}

start_directly() {
    local server port members=()
    for server in "${servers[@]}"; do
        local stateless=false
        [ "${server#*-}" = 1 ] || stateless=true
        if [ "${server%-*}" = stdio ]; then
            members+=("$server=\"command\":\"$node\",\"args\":[\"$(program_of "$server")\"],\"stateless\":$stateless")
            continue
        fi
        port=$(free_port)
        PORT=$port "$node" "$(program_of "$server")" </dev/null >"$work/$server.log" 2>&1 &
        started+=($!)
        wait_for_url "http://127.0.0.1:$port/health" $! 20 || die "$server did not start: $(cat "$work/$server.log")"
        members+=("$server=\"url\":\"http://127.0.0.1:$port/mcp\",\"stateless\":$stateless")
    done
    BERTH_MATRIX=$(targets "${members[@]}")
    export BERTH_MATRIX
}

# Every instance speaks both eras, whatever its server speaks.
target_instances() {
    local server members=()
    for server in "${servers[@]}"; do members+=("$server=\"url\":\"${urls[matrix-$server]}\",\"stateless\":true"); done
    BERTH_MATRIX=$(targets "${members[@]}")
    export BERTH_MATRIX
}

# A client that ends badly has told less than all: the table shows that.
run_matrix() {
    : >"$BERTH_RESULTS"
    local line
    for line in v1 v2; do
        "$tools/python-$line/bin/python" "$clients/python/$line.py" || warn "the Python client $line ended with $?"
        "$node" "$clients/ts/$line.mjs" || warn "the TypeScript client $line ended with $?"
    done
    "$ROOT/target/debug/examples/rmcp-client" || warn "the Rust client ended with $?"
    HOME=$work/home "$node" "$clients/inspector/check.mjs" || warn "the Inspector's checks ended with $?"
    "$node" "$clients/matrix.mjs"
}

# --- the run --------------------------------------------------------------------------------------

title "Installing the clients"
install_clients
[ -z "$matrix" ] || copy_servers

if [ -n "$direct" ]; then
    start_directly
    title "Clients against servers, without Berth"
    run_matrix
    exit 0
fi

title "Starting Berth and its instances"
mkdir "$BERTH_SERVICES_DIR"
cp -r "$ROOT/mcp-servers/." "$BERTH_SERVICES_DIR"
services=(everything memory1 memory2 rooms time)
if [ -n "$matrix" ]; then
    for server in "${servers[@]}"; do
        write_manifest "$server"
        services+=("matrix-$server")
    done
fi
berth_up
token=$(new_user client@example.com)
declare -A ids urls
for name in "${services[@]}"; do
    service=$name
    mode=
    [[ $name != memory? ]] || service=memory
    # One instance of memory, with a process and a graph for each client.
    [ "$name" != rooms ] || { service=memory && mode=session; }
    ids[$name]=$(create_instance "$token" "$service" "$mode")
done
for name in "${services[@]}"; do
    urls[$name]=$(wait_running "$token" "${ids[$name]}" 300)
    say "$name: ${urls[$name]}"
done
export BERTH_TOKEN=$token
BERTH_CLIENT_TARGETS=$(printf '{"everything":"%s","memory1":"%s","memory2":"%s","rooms":"%s","time":"%s"}' \
    "${urls[everything]}" "${urls[memory1]}" "${urls[memory2]}" "${urls[rooms]}" "${urls[time]}")
export BERTH_CLIENT_TARGETS

status=0
title "TypeScript SDK"
(cd "$clients/ts" && node --test) || status=1
title "Python SDK"
"$tools/python-v1/bin/python" "$clients/python/client_test.py" || status=1
if [ -n "$matrix" ]; then
    title "Every client against every server in every era"
    target_instances
    run_matrix || status=1
fi

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
