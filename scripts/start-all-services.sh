#!/usr/bin/env bash
# From a fresh machine with cargo and node to a running Berth. Running it again is harmless.
#
#   scripts/start-all-services.sh
#
# Settings come from the environment as everywhere: BERTH_DATA_DIR (./data), BERTH_LISTEN
# (127.0.0.1:5000), BERTH_DATABASE_URL and so on. Services install their packages when they are
# first used, so nothing is fetched here but what the build needs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

export BERTH_DATA_DIR=${BERTH_DATA_DIR:-$ROOT/data}
export BERTH_LISTEN=${BERTH_LISTEN:-127.0.0.1:5000}
berth=$ROOT/target/release/berth
pid_file=$BERTH_DATA_DIR/berth-serve.pid
log_file=$BERTH_DATA_DIR/berth-serve.log
# An address to listen on is not always one to connect to.
url=http://${BERTH_LISTEN/#0.0.0.0:/127.0.0.1:}

prepare() {
    title "Checking what is needed"
    check_cargo
    check_node
    check_system_libraries
    say "cargo, node, npm, python3, cc and OpenSSL are there"
    title "Building"
    cargo build --release --locked --bin berth
    mkdir -p "$BERTH_DATA_DIR"
    title "Migrating the database"
    "$berth" migrate
}

start() {
    title "Starting"
    # A new session: it outlives this terminal.
    setsid nohup "$berth" serve </dev/null >>"$log_file" 2>&1 &
    local pid=$!
    write_pid_file "$pid_file" "$pid"
    if ! wait_for_url "$url/health" "$pid" 60; then
        tail -n 20 "$log_file" >&2
        die "Berth did not answer at $url/health within a minute; the whole log is $log_file"
    fi
    say "Berth runs as process $pid, log in $log_file"
}

guide() {
    title "Services"
    "$berth" service list
    title "Next"
    cat <<TEXT
Berth is at $url   (stop it with scripts/stop-services.sh)

In a browser: open that; where nobody has an account yet, the last lines of $log_file name the link
that makes the first administrator. By command line:

    export BERTH_DATA_DIR=$BERTH_DATA_DIR BERTH_LISTEN=$BERTH_LISTEN

 1. Make the first user, an administrator (the password is read from the terminal or a pipe):
        $berth user add you@example.com --admin --password-stdin
 2. Make a token for a client; it is shown once:
        TOKEN=\$($berth token create --user you@example.com)
 3. Start an instance and read its URL:
        curl -s -X POST $url/api/v1/mcps -H "Authorization: Bearer \$TOKEN" \\
             -H 'Content-Type: application/json' -d '{"service":"everything"}'
 4. Give that URL to any MCP client with the header "Authorization: Bearer \$TOKEN", for example:
        claude mcp add --transport http everything URL --header "Authorization: Bearer \$TOKEN"
TEXT
}

if pid_file_lives "$pid_file"; then
    say "Berth already runs as process $(cut -d' ' -f1 "$pid_file")"
    [ -x "$berth" ] || die "but $berth is gone; build it again with: cargo build --release"
else
    if curl --noproxy "*" -s -o /dev/null --max-time 2 "$url/health"; then
        die "something else answers at $url already; stop it or choose another BERTH_LISTEN"
    fi
    prepare
    start
fi
guide
