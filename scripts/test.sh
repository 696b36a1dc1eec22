#!/usr/bin/env bash
# Every test there is: Rust on SQLite and PostgreSQL, the bundled Node services, the official client
# SDKs and the MCP conformance suite against a running Berth. Installs what it needs where it may; says
# loudly what it skipped.
#
#   scripts/test.sh [FILTER…]     filters go to the Rust tests, and then nothing else runs
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

failed=()
skipped=()
work=$(mktemp -d)
chmod 755 "$work" # the database runs as another user
postgres_bin=
postgres_user=()

clean_up() {
    if [ -f "$work/pg/data/postmaster.pid" ]; then
        "${postgres_user[@]}" "$postgres_bin/pg_ctl" -D "$work/pg/data" -m immediate stop >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# step NAME COMMAND…: goes on after a failure and remembers it.
step() {
    local name=$1 began=$SECONDS
    shift
    title "$name"
    if "$@"; then
        say "-- $name: passed in $((SECONDS - began)) s"
    else
        failed+=("$name")
        say "-- $name: FAILED after $((SECONDS - began)) s"
    fi
}

skip() {
    skipped+=("$1")
    printf '\n!! SKIPPED: %s\n' "$1" >&2
}

# --- PostgreSQL -----------------------------------------------------------------------------------

# The newest initdb, on PATH or where Debian hides it.
find_postgres() {
    local candidate
    postgres_bin=
    for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        if [ -x "$candidate/initdb" ]; then
            postgres_bin=$candidate
            return 0
        fi
    done
    candidate=$(command -v initdb) || return 1
    postgres_bin=$(dirname "$(readlink -f "$candidate")")
}

# PostgreSQL refuses to run as root.
choose_postgres_user() {
    [ "$(id -u)" = 0 ] || return 0
    local user=nobody
    ! id postgres >/dev/null 2>&1 || user=postgres
    postgres_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --)
    chown "$user" "$work/pg"
}

start_postgres() {
    find_postgres || { apt_install postgresql && find_postgres; } || return 1
    local port
    mkdir -p "$work/pg"
    choose_postgres_user
    port=$(free_port)
    # Nothing here outlives the run: no need to wait for disks.
    (
        cd "$work/pg" || exit 1
        "${postgres_user[@]}" "$postgres_bin/initdb" -D data -A trust -U berth --no-sync -E UTF8 --locale=C \
            >initdb.log || exit 1
        "${postgres_user[@]}" "$postgres_bin/pg_ctl" -D "$work/pg/data" -l "$work/pg/data/log" -w start -o \
            "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work/pg -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300" \
            >pg_ctl.log
    ) </dev/null || {
        cat "$work/pg/"*.log "$work/pg/data/log" 2>/dev/null >&2
        return 1
    }
    export BERTH_TEST_POSTGRES_URL=postgres://berth@127.0.0.1:$port/postgres
    say "PostgreSQL of $postgres_bin listens on port $port"
}

# --- the kinds of tests ---------------------------------------------------------------------------

export PATH=$ROOT/target/tools/bin:$PATH

ensure_nextest() {
    cargo nextest --version >/dev/null 2>&1 && return 0
    say "installing cargo-nextest into target/tools (once)"
    cargo install --locked --quiet --root target/tools cargo-nextest
}

rust_tests() {
    if ensure_nextest; then
        # The long soak is a step of its own.
        env -u BERTH_SOAK_SECONDS cargo nextest run --profile full --no-fail-fast "$@"
    else
        warn "cargo-nextest could not be installed: using cargo test"
        cargo test --no-fail-fast --lib --bins --tests "$@"
    fi
}

# Everything at random for a while; BERTH_SOAK_SECONDS=600 or 3600 for a long run.
soak() {
    ensure_nextest || return 1
    BERTH_SOAK_SECONDS=${BERTH_SOAK_SECONDS:-150} cargo nextest run --profile full --no-capture -E 'test(/^soak_rooms::/)'
}

node_tests() {
    local package=$1
    # A function called in a condition is not ended by a failure: every step says so itself.
    (
        cd "$package" || exit 1
        if [ -f package-lock.json ]; then npm ci --no-audit --no-fund --silent || exit 1; fi
        node --test
    )
}

shell_check() {
    find scripts tests .ci -name node_modules -prune -o \
        -type f \( -name '*.sh' -o -path .ci/run \) -exec shellcheck -x {} +
}

summary() {
    title "Summary"
    local name
    for name in "${skipped[@]}"; do say "SKIPPED: $name"; done
    for name in "${failed[@]}"; do say "FAILED:  $name"; done
    [ ${#failed[@]} = 0 ] || exit 1
    say "everything that ran has passed"
}

# --- the run --------------------------------------------------------------------------------------

title "Checking what is needed"
check_cargo
check_node
check_system_libraries
if start_postgres; then :; else
    skip "all tests on PostgreSQL: it is not installed and could not be, or did not start"
fi

if [ $# -gt 0 ]; then
    step "Rust tests matching $*" rust_tests "$@"
    summary
    exit 0
fi

if have shellcheck; then step "shellcheck" shell_check; else skip "shellcheck: it is not installed"; fi
step "Build" cargo build --locked --all-targets
step "Rust tests" rust_tests
cgroup_v2_tests() {
    local status=0
    scripts/test-cgroup-v2.sh || status=$?
    [ "$status" != 77 ] || { skip "cgroup v2: the virtual machine cannot be had, see above" && return 0; }
    return "$status"
}
step "Control groups of v2" cgroup_v2_tests
# Walls are built otherwise where Berth is not root: the same attacks, from and against an ordinary user.
ordinary_user_tests() {
    local binary home status=0
    binary=$(cargo test --locked --test it --no-run 2>&1 | sed -n 's/.*Executable .*(\(.*\)).*/\1/p')
    [ -x "$binary" ] || { warn "the test program was not found" && return 1; }
    home=$(mktemp -d /var/tmp/berth-ordinary.XXXXXX) # not below /tmp, which is a room's own
    chown 40001:40001 "$home"
    setpriv --reuid 40001 --regid 40001 --clear-groups -- env HOME="$home" TMPDIR="$home" \
        "$ROOT/${binary#"$ROOT"/}" --test-threads 4 hostile process::walls supervision::network supervision::connections || status=$?
    rm -rf "$home"
    return "$status"
}
if [ "$(id -u)" = 0 ]; then
    step "Walls of an ordinary user" ordinary_user_tests
else
    skip "the walls of root: run as root, too"
fi
step "Soak of rooms" soak
step "Documentation tests" cargo test --quiet --doc
for manifest in mcp-servers/*/package.json; do
    [ -f "$manifest" ] || continue
    package=$(dirname "$manifest")
    step "Node tests of $package" node_tests "$package"
done
step "Stand-ins of outside APIs" node --test tests/stand-ins/*.test.mjs
step "Official client SDKs" env BERTH_BIN="$ROOT/target/debug/berth" tests/clients/run.sh
step "Configurations of clients" env BERTH_BIN="$ROOT/target/debug/berth" tests/clients/config.sh
step "Built-in services" env BERTH_BIN="$ROOT/target/debug/berth" tests/clients/services.sh
step "What /openapi.json says" env BERTH_BIN="$ROOT/target/debug/berth" tests/openapi/run.sh
step "MCP conformance" env BERTH_BIN="$ROOT/target/debug/berth" tests/conformance/run.sh
sign_in_tests() {
    local status=0
    BERTH_BIN="$ROOT/target/debug/berth" tests/oauth/run.sh || status=$?
    [ "$status" != 77 ] || { skip "signing in by a browser: there is no Chromium, see above" && return 0; }
    return "$status"
}
step "Official clients sign in" sign_in_tests
dashboard_tests() {
    local status=0
    BERTH_BIN="$ROOT/target/debug/berth" tests/dashboard/run.sh || status=$?
    [ "$status" != 77 ] || { skip "the dashboard: there is no Chromium, see above" && return 0; }
    return "$status"
}
step "The dashboard in a browser" dashboard_tests
summary
