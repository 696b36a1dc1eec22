# shellcheck shell=bash
# What the scripts share. Sourced, never run: it defines functions and the repository's root, nothing else.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
title() { printf '\n== %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- prerequisites --------------------------------------------------------------------------------

# Installs Debian packages where that may be done; says how otherwise. Fails without ending the script.
apt_install() {
    if ! have apt-get || [ "$(id -u)" != 0 ]; then
        warn "missing: $*. On Debian or Ubuntu: sudo apt-get install $*"
        return 1
    fi
    local try
    for try in 1 2 3; do
        # RUNLEVEL=1 keeps freshly installed services from starting by themselves.
        if apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null; then
            return 0
        fi
        warn "apt-get failed (attempt $try of 3)"
        sleep $((try * 5))
    done
    warn "could not install: $*. Try again by hand: apt-get install $*"
    return 1
}

# The lowest version that the sources build with, as Cargo.toml says.
check_cargo() {
    have cargo || die "cargo is missing. Install Rust from https://rustup.rs, then run this again."
    local wanted actual
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    actual=$(cargo --version | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$wanted" "$actual" | sort -V | head -n 1)" = "$wanted" ] ||
        die "cargo is $actual, at least $wanted is needed. Update it: rustup update stable"
}

check_node() {
    { have node && have npm; } ||
        die "node and npm are missing. Install Node.js 20 or newer from https://nodejs.org, then run this again."
    local major
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 20 ] || die "node is version $major, at least 20 is needed. See https://nodejs.org"
}

# A C compiler for the bundled SQLite and libpq, OpenSSL for connections to PostgreSQL, Python with venv for services from PyPI.
check_system_libraries() {
    local missing=()
    have cc || missing+=(gcc libc6-dev)
    { have pkg-config && pkg-config --exists openssl; } || missing+=(libssl-dev pkg-config)
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
    have curl || missing+=(curl)
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" || die "the packages named above are needed"
}

# --- small tools ----------------------------------------------------------------------------------

# One member of the JSON object on stdin, by its dotted path; nothing if it is not there.
json() {
    node -e '
        const text = require("fs").readFileSync(0, "utf8");
        let value = JSON.parse(text);
        for (const key of process.argv[1].split(".")) value = value?.[key];
        if (value !== undefined && value !== null) console.log(typeof value === "object" ? JSON.stringify(value) : value);
    ' "$1"
}

free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# When a process began, in clock ticks since boot: with its id, this names one process for good.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name before the last parenthesis may hold blanks; the start time is the 20th field after it.
    stat=${stat##*) }
    cut -d' ' -f20 <<<"$stat"
}

# Whether the process that a pid file (`pid start-time`) names still lives.
pid_file_lives() {
    local pid began
    read -r pid began 2>/dev/null <"$1" || return 1
    [ -n "$began" ] && [ "$(start_time "$pid")" = "$began" ]
}

write_pid_file() { printf '%s %s\n' "$2" "$(start_time "$2")" >"$1"; }

# Asks one process to end and waits for it; kills it after the given seconds. The id must be our child's.
end_process() {
    local pid=$1 patience=${2:-30} tenths=0
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null && [ "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)" != Z ]; do
        sleep 0.1
        tenths=$((tenths + 1))
        if [ "$tenths" -ge $((patience * 10)) ]; then
            warn "process $pid did not end within $patience s: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            return 1
        fi
    done
}

# Waits until URL answers 2xx while process PID lives.
wait_for_url() {
    local url=$1 pid=$2 seconds=${3:-60} tenths=0
    until curl --noproxy "*" -fsS -o /dev/null --max-time 2 "$url" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
        tenths=$((tenths + 1))
        [ "$tenths" -lt $((seconds * 10)) ] || return 1
    done
}

# --- packages of the tests --------------------------------------------------------------------------

# retry WHAT COMMAND…: registries fail now and then.
retry() {
    local what=$1 try
    shift
    for try in 1 2 3; do
        "$@" && return 0
        warn "$what could not be installed (attempt $try of 3)"
        [ "$try" = 3 ] || sleep $((try * 5))
    done
    die "$what could not be installed: is the registry reachable? By hand: $*"
}

# npm_ci FOLDER: its locked packages. Nothing here needs the scripts of its dependencies. What an earlier run installed
# by this lock stays.
npm_ci() {
    local installed=$1/node_modules/.installed-by
    ! cmp -s "$1/package-lock.json" "$installed" || return 0
    npm ci --prefix "$1" --no-audit --no-fund --silent --ignore-scripts && cp "$1/package-lock.json" "$installed"
}

# pip_install VENV REQUIREMENTS
pip_install() {
    local venv=$1 requirements=$2
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
}

# --- a Berth of one's own, for tests and benchmarks -----------------------------------------------
# The caller sets BERTH_BIN and BERTH_DATA_DIR (and exports what else it wants set), and BERTH_HOST where
# it is to listen elsewhere than on 127.0.0.1; berth_up sets BERTH_PID and BERTH_URL.

berth_up() {
    : "${BERTH_BIN:?names the berth binary}" "${BERTH_DATA_DIR:?names its data directory}"
    export BERTH_DATA_DIR BERTH_LISTEN
    BERTH_LISTEN=${BERTH_HOST:-127.0.0.1}:$(free_port)
    BERTH_URL=http://$BERTH_LISTEN
    export BERTH_PUBLIC_URL=$BERTH_URL
    "$BERTH_BIN" serve </dev/null >>"$BERTH_DATA_DIR.log" 2>&1 &
    BERTH_PID=$!
    wait_for_url "$BERTH_URL/health" "$BERTH_PID" 60 || {
        tail -n 30 "$BERTH_DATA_DIR.log" >&2
        die "berth did not come up"
    }
}

berth_down() {
    [ -n "${BERTH_PID:-}" ] || return 0
    local pid=$BERTH_PID
    BERTH_PID=
    end_process "$pid" 60
    wait "$pid" 2>/dev/null || true
}

# Makes a user and prints a token of theirs. Further arguments go to `berth user add`.
new_user() {
    local email=$1
    shift
    printf 'a long enough password' | "$BERTH_BIN" user add "$email" "$@" --password-stdin >/dev/null
    "$BERTH_BIN" token create --user "$email"
}

# api TOKEN VERB PATH [BODY]: prints the answer's body; a status of 400 or more fails, with the body on stderr.
api() {
    local token=$1 verb=$2 path=$3 answer status
    shift 3
    answer=$(curl --noproxy "*" -sS -X "$verb" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        ${1+--data "$1"} -w '\n%{http_code}' "$BERTH_URL/api/v1$path")
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    if [ "$status" -ge 400 ]; then
        printf '%s %s: %s %s\n' "$verb" "$path" "$status" "$answer" >&2
        return 1
    fi
    printf '%s\n' "$answer"
}

# create_instance TOKEN SERVICE [MODE]: prints its id.
create_instance() { api "$1" POST /mcps "{\"service\":\"$2\"${3:+,\"mode\":\"$3\"}}" | json id; }

# wait_running TOKEN ID [SECONDS]: prints the endpoint's URL.
wait_running() {
    local token=$1 id=$2 seconds=${3:-180} instance status deadline
    deadline=$((SECONDS + seconds))
    while true; do
        instance=$(api "$token" GET "/mcps/$id")
        status=$(json status <<<"$instance")
        case $status in
        running)
            json url <<<"$instance"
            return 0
            ;;
        failed | stopped | expired | deleted) break ;;
        esac
        [ "$SECONDS" -lt "$deadline" ] || break
        sleep 0.2
    done
    printf 'instance %s is %s: %s\n' "$id" "$status" "$(json last_error <<<"$instance")" >&2
    return 1
}

# Prints `pid command` of every process that runs in a directory, or was told about it. Not this shell and its kin.
processes_of() {
    local directory=$1 proc pid
    for proc in /proc/[0-9]*; do
        pid=${proc#/proc/}
        case $pid in "$$" | "$BASHPID") continue ;; esac
        case $(readlink "$proc/cwd" 2>/dev/null) in
        "$directory"*) ;;
        *) tr '\0' '\n' 2>/dev/null <"$proc/environ" | grep -qF "=$directory/" || continue ;;
        esac
        printf '%s %s\n' "$pid" "$(tr '\0' ' ' <"$proc/cmdline" 2>/dev/null)"
    done 2>/dev/null
}

# --- the conformance suite ------------------------------------------------------------------------

# Sets suite_node: the system's Node where it is new enough for the suite, else the one that is installed with the suite.
install_conformance_suite() {
    local here=$ROOT/tests/conformance
    local try
    local options=(--no-audit --no-fund --silent --prefix "$here")
    suite_node=$(command -v node)
    if [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 22 ]; then
        options+=(--omit=optional)
    else
        suite_node=$here/node_modules/node-linux-$(node -p process.arch)/bin/node
    fi
    # Nothing to do when it was installed after the last change of what is to be installed.
    if [ "$here/node_modules/.package-lock.json" -nt "$here/package-lock.json" ] && [ -x "$suite_node" ]; then return 0; fi
    for try in 1 2 3; do
        if npm ci "${options[@]}" && [ -x "$suite_node" ]; then return 0; fi
        warn "npm ci failed (attempt $try of 3)"
        sleep $((try * 5))
    done
    die "the conformance suite could not be installed: is the npm registry reachable? By hand: npm ci --prefix $here"
}
