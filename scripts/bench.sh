#!/usr/bin/env bash
# Measures Berth beside what it is compared with, in one run on one machine, and prints ratios: the
# noise of a shared machine is far larger than most differences, so nothing else is worth comparing.
#
#   scripts/bench.sh [calls|proof|eras|http|shared|memory|million|catalog|rooms|minute|all]…     default: all
#
#   calls    tools/call over a tiny stdio child: minimal handler, bare pipes, Berth, supergateway, mcp-proxy
#   proof    what a call with a known token pays for saying who asks
#   eras     the same calls to one session-era child, in a session and without (2026-07-28)
#   http     the same over an HTTP child: direct, behind nginx, behind Berth
#   shared   the same over the process of a shared service: direct, and through Berth with whose request it is
#   memory   Berth with no instance, with 200, with 1000 sessions; start to first answer
#   million  a million calls by 64 sessions of several users whose request ids collide
#   catalog  start and listing with 400 services
#   rooms    first call of a new session with a spare, without, and of a bare process; wake of a sleeping
#            instance; what walls cost; a thousand sessions in a row; a thousand instances; sampling
#   minute   a minute of load: is any call slower than 100 × the median?
#
# BENCH_ROUNDS (3) interleaved rounds of BENCH_SECONDS (3) each; medians count. BENCH_RIVALS=0 leaves
# out the rivals, which are installed from npm and PyPI. BENCH_CALLS (1000000) is the million.
# Settings for Berth itself may be put in the environment (BERTH_…); BERTH_BIN measures another build.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/bench-rooms.sh
. "$(dirname "$0")/bench-rooms.sh"
cd "$ROOT"

rounds=${BENCH_ROUNDS:-3}
seconds=${BENCH_SECONDS:-3}
rivals=$ROOT/target/bench-rivals
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
results=$work/results.jsonl
servers=()

clean_up() {
    local pid
    berth_down || true
    for pid in "${servers[@]}"; do end_process "$pid" 5 || true; done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- what is measured -----------------------------------------------------------------------------

prepare() {
    check_cargo
    check_node
    title "Building"
    cargo build --release --locked --bins
    BERTH_BIN=${BERTH_BIN:-$ROOT/target/release/berth}
    load=$ROOT/target/release/berth-load
    # The folder of a service's command is what an instance may read: it holds nothing but the child.
    mkdir "$work/bin"
    cp "$ROOT/target/release/fake-mcp" "$work/bin/"
    fake=$work/bin/fake-mcp
    export BERTH_LOG=${BERTH_LOG:-info}
}

services() {
    local directory=$work/services
    mkdir -p "$directory/fake" "$directory/fake-http" "$directory/fake-shared"
    cat >"$directory/fake-shared/service.toml" <<TOML
name = "fake-shared"
display_name = "Fake, shared"
transport = "http"
launch = { kind = "http", command = "$fake", args = ["--http", "--contract"] }
modes = ["shared"]
shared = { port = 49160 }
TOML
    cat >"$directory/fake/service.toml" <<TOML
name = "fake"
display_name = "Fake"
transport = "stdio"
launch = { kind = "command", command = "$fake" }
TOML
    cat >"$directory/fake-http/service.toml" <<TOML
name = "fake-http"
display_name = "Fake over HTTP"
transport = "http"
launch = { kind = "http", command = "$fake", args = ["--http"] }
TOML
    export BERTH_SERVICES_DIR=$directory
}

fresh_berth() {
    berth_down
    BERTH_DATA_DIR=$work/data-$1
    mkdir "$BERTH_DATA_DIR"
    [ -d "$work/services" ] || services
    berth_up
}

# serve NAME URL COMMAND…: starts a server that is ended with the script; sets server_pid.
serve() {
    local name=$1 url=$2
    shift 2
    "$@" </dev/null >"$work/$name.log" 2>&1 &
    server_pid=$!
    servers+=("$server_pid")
    local tenths=0
    # Any answer will do, also "bad request".
    until curl --noproxy '*' -s -o /dev/null --max-time 2 "$url"; do
        if ! kill -0 "$server_pid" 2>/dev/null || [ "$tenths" -ge 300 ]; then
            tail "$work/$name.log" >&2
            die "$name did not come up"
        fi
        sleep 0.1
        tenths=$((tenths + 1))
    done
}

# measure GROUP WHO CLIENTS COMMAND…: runs the load and keeps its report.
measure() {
    local group=$1 who=$2 clients=$3 report
    shift 3
    report=$("$load" "$1" --json "${@:2}") || warn "$who at $clients clients: not every call got its answer"
    [ -n "$report" ] || die "$who: the load generator said nothing"
    printf '{"group":"%s","who":"%s","clients":%s,%s\n' "$group" "$who" "$clients" "${report#\{}" >>"$results"
    printf '   %-14s %2s clients  %9.0f calls/s  p50 %7.1f µs\n' "$who" "$clients" \
        "$(json per_second <<<"$report")" "$(json p50_us <<<"$report")"
}

# value NAME NUMBER
value() {
    printf '{"group":"values","who":"%s","value":%s}\n' "$1" "$2" >>"$results"
    say "   $1: $2"
}

# --- calls over a stdio child ---------------------------------------------------------------------

install_rivals() {
    [ "${BENCH_RIVALS:-1}" = 1 ] || return 1
    mkdir -p "$rivals"
    if [ ! -x "$rivals/node_modules/.bin/supergateway" ]; then
        npm install --prefix "$rivals" --no-audit --no-fund --silent --save-exact supergateway@4.0.0 || return 1
    fi
    if [ ! -x "$rivals/venv/bin/mcp-proxy" ]; then
        python3 -m venv "$rivals/venv" &&
            "$rivals/venv/bin/pip" install --quiet --disable-pip-version-check mcp-proxy==0.13.0 || return 1
    fi
}

start_rivals() {
    local port
    port=$(free_port)
    supergateway=http://127.0.0.1:$port/mcp
    serve supergateway "$supergateway" "$rivals/node_modules/.bin/supergateway" --stdio "$fake" \
        --outputTransport streamableHttp --stateful --port "$port" --streamableHttpPath /mcp --logLevel none
    supergateway_pid=$server_pid
    port=$(free_port)
    mcp_proxy=http://127.0.0.1:$port/mcp
    serve mcp-proxy "$mcp_proxy" "$rivals/venv/bin/mcp-proxy" --host 127.0.0.1 --port "$port" -- "$fake"
    mcp_proxy_pid=$server_pid
}

calls() {
    title "Calls over a stdio child"
    local port token url minimal minimal_pid with_rivals=0 clients round
    fresh_berth calls
    token=$(new_user calls@example.com)
    url=$(wait_running "$token" "$(create_instance "$token" fake)")
    port=$(free_port)
    minimal=http://127.0.0.1:$port/mcp
    serve minimal "$minimal" "$load" serve-minimal --port "$port"
    minimal_pid=$server_pid
    if install_rivals && start_rivals; then with_rivals=1; else warn "the rivals are left out"; fi
    for round in $(seq "$rounds"); do
        say "round $round of $rounds"
        for clients in 1 16; do
            measure calls minimal "$clients" raw --url "$minimal" --clients "$clients" --seconds "$seconds" --pid "$minimal_pid"
            measure calls pipes "$clients" pipes --outstanding "$clients" --seconds "$seconds" -- "$fake"
            measure calls berth "$clients" call --url "$url" --token "$token" --clients "$clients" --seconds "$seconds" --pid "$BERTH_PID"
            [ "$with_rivals" = 1 ] || continue
            measure calls supergateway "$clients" call --url "$supergateway" --clients "$clients" --seconds "$seconds" --tree "$supergateway_pid"
            measure calls mcp-proxy "$clients" call --url "$mcp_proxy" --clients "$clients" --seconds "$seconds" --tree "$mcp_proxy_pid"
        done
    done
}

eras() {
    title "Calls in a session and without one"
    local token url clients round
    fresh_berth eras
    token=$(new_user eras@example.com)
    url=$(wait_running "$token" "$(create_instance "$token" fake)")
    for round in $(seq "$rounds"); do
        say "round $round of $rounds"
        for clients in 1 16; do
            measure eras session "$clients" call --url "$url" --token "$token" --clients "$clients" --seconds "$seconds" --pid "$BERTH_PID"
            measure eras stateless "$clients" call --stateless --url "$url" --token "$token" --clients "$clients" --seconds "$seconds" --pid "$BERTH_PID"
        done
    done
}

minute() {
    title "A minute of load"
    local token url
    fresh_berth minute
    token=$(new_user minute@example.com)
    url=$(wait_running "$token" "$(create_instance "$token" fake)")
    measure minute berth 16 call --url "$url" --token "$token" --clients 16 --seconds "${BENCH_MINUTE:-60}" --pid "$BERTH_PID"
}

# --- calls over an HTTP child ---------------------------------------------------------------------

start_nginx() {
    have nginx || [ -x /usr/sbin/nginx ] || apt_install nginx || return 1
    mkdir -p "$work/nginx"
    cat >"$work/nginx/nginx.conf" <<CONF
daemon off;
user root;
worker_processes 2;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events { worker_connections 1024; }
http {
    access_log $work/nginx/access.log;
    client_body_temp_path $work/nginx/body;
    proxy_temp_path $work/nginx/proxy;
    fastcgi_temp_path $work/nginx/fastcgi;
    uwsgi_temp_path $work/nginx/uwsgi;
    scgi_temp_path $work/nginx/scgi;
    keepalive_requests 100000000;
    upstream child { server 127.0.0.1:$2; keepalive 64; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:$1;
        location / {
            proxy_pass http://child;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }
    }
}
CONF
    PATH=$PATH:/usr/sbin serve nginx "http://127.0.0.1:$1/health" nginx -c "$work/nginx/nginx.conf"
}

http() {
    title "Calls over an HTTP child"
    local port nginx_port direct behind_nginx nginx_pid='' token url clients round
    fresh_berth http
    token=$(new_user http@example.com)
    url=$(wait_running "$token" "$(create_instance "$token" fake-http)")
    port=$(free_port)
    direct=http://127.0.0.1:$port/mcp
    serve child "$direct" env PORT="$port" "$fake" --http
    nginx_port=$(free_port)
    behind_nginx=http://127.0.0.1:$nginx_port/mcp
    if start_nginx "$nginx_port" "$port"; then nginx_pid=$server_pid; else warn "nginx is left out"; fi
    for round in $(seq "$rounds"); do
        say "round $round of $rounds"
        for clients in 1 16; do
            measure http direct "$clients" call --url "$direct" --clients "$clients" --seconds "$seconds"
            [ -z "$nginx_pid" ] || measure http nginx "$clients" call --url "$behind_nginx" --clients "$clients" --seconds "$seconds" --tree "$nginx_pid"
            measure http berth "$clients" call --url "$url" --token "$token" --clients "$clients" --seconds "$seconds" --pid "$BERTH_PID"
        done
    done
}

# --- calls over a shared service ------------------------------------------------------------------

shared() {
    title "Calls over a shared service"
    local port direct token url clients round
    fresh_berth shared
    token=$(new_user shared@example.com)
    url=$(wait_running "$token" "$(create_instance "$token" fake-shared)")
    port=$(free_port)
    direct=http://127.0.0.1:$port/00000000-0000-7000-8000-000000000000/mcp
    serve shared-child "$direct" env PORT="$port" "$fake" --http --contract --open
    for round in $(seq "$rounds"); do
        say "round $round of $rounds"
        for clients in 1 16; do
            measure shared direct "$clients" call --stateless --url "$direct" --clients "$clients" --seconds "$seconds"
            measure shared berth "$clients" call --stateless --url "$url" --token "$token" --clients "$clients" --seconds "$seconds" --pid "$BERTH_PID"
        done
    done
}

# --- memory and start -----------------------------------------------------------------------------

# kib FIELD: Rss or Pss of Berth itself, without its children.
kib() { awk -v field="$1:" '$1 == field {print $2}' "/proc/$BERTH_PID/smaps_rollup"; }

# Ticks of processor time of Berth itself.
ticks() { awk '{print $14 + $15}' "/proc/$BERTH_PID/stat"; }

start_up() {
    local port data=$work/data-start
    services
    mkdir "$data"
    port=$(free_port)
    for what in "first start, making the database (ms)" "start with an empty database (ms)"; do
        value "$what" "$(BERTH_DATA_DIR=$data BERTH_LISTEN=127.0.0.1:$port "$load" start \
            --url "http://127.0.0.1:$port/health" -- "$BERTH_BIN" serve 2>>"$work/start.log")"
    done
}

# Two hundred instances of twenty users, ten each: nobody's quota needs to be raised.
two_hundred() {
    local user token instances=() instance
    for user in $(seq 20); do
        token=$(new_user "user$user@example.com")
        for _ in $(seq 10); do instances+=("$token $(create_instance "$token" fake)"); done
    done
    for instance in "${instances[@]}"; do
        # shellcheck disable=SC2086  # token and id
        wait_running $instance >/dev/null
    done
}

memory() {
    title "Memory and start"
    local before token url
    start_up
    fresh_berth memory
    sleep 2
    value "RSS with no instance (KiB)" "$(kib Rss)"
    value "PSS with no instance (KiB)" "$(kib Pss)"
    before=$(kib Rss)
    two_hundred
    sleep 5
    value "RSS with 200 instances (KiB)" "$(kib Rss)"
    value "RSS per instance (KiB)" "$((($(kib Rss) - before) / 200))"
    token=$(new_user sessions@example.com)
    url=$(wait_running "$token" "$(create_instance "$token" fake)")
    hold_sessions "RSS per open session (KiB)" "$url" "$token"
    hold_sessions "RSS per open session with a GET stream (KiB)" "$url" "$token" --streams
    hold_sessions "RSS per listen stream without a session (KiB)" "$url" "$token" --streams --stateless
}

# hold_sessions NAME URL TOKEN [--streams]: what 1000 sessions add.
hold_sessions() {
    local name=$1 url=$2 token=$3 before holder idle
    shift 3
    before=$(kib Rss)
    mkfifo "$work/hold.in" "$work/hold.out"
    "$load" hold --url "$url" --token "$token" --sessions 1000 "$@" <"$work/hold.in" >"$work/hold.out" &
    holder=$!
    exec 8>"$work/hold.in" 9<"$work/hold.out"
    if IFS= read -r -t 120 -u 9 _; then
        sleep 2
        value "$name" "$(awk -v now="$(kib Rss)" -v before="$before" 'BEGIN {printf "%.1f", (now - before) / 1000}')"
        idle=$(ticks)
        sleep 5
        value "${name/RSS per/CPU of 1000 times} in 5 s, idle (ticks of 10 ms)" "$(($(ticks) - idle))"
    else
        warn "a thousand sessions could not be opened"
    fi
    exec 8>&- 9<&-
    wait "$holder" || true
    rm "$work/hold.in" "$work/hold.out"
}

# --- right answers, large catalogs ----------------------------------------------------------------

million() {
    title "A million calls with colliding ids"
    local user token url targets=()
    fresh_berth million
    for user in $(seq 8); do
        token=$(new_user "user$user@example.com")
        url=$(wait_running "$token" "$(create_instance "$token" fake)")
        targets+=("{\"url\":\"$url\",\"token\":\"$token\"}")
    done
    (
        IFS=,
        printf '[%s]' "${targets[*]}"
    ) >"$work/targets.json"
    measure million berth 64 call --targets "$work/targets.json" --sessions-per-target 8 --calls "${BENCH_CALLS:-1000000}"
}

catalog() {
    title "A catalog of 400 services"
    local number name token began port data=$work/data-catalog-start
    services
    mkdir "$data"
    for number in $(seq 400); do
        name=generated-$number
        mkdir -p "$work/services/$name"
        sed "s/^name = .*/name = \"$name\"/; s/^display_name = .*/display_name = \"Generated $number\"/" \
            "$work/services/fake/service.toml" >"$work/services/$name/service.toml"
    done
    port=$(free_port)
    for what in "first start with 400 services (ms)" "start with 400 services (ms)"; do
        value "$what" "$(BERTH_DATA_DIR=$data BERTH_LISTEN=127.0.0.1:$port "$load" start \
            --url "http://127.0.0.1:$port/health" -- "$BERTH_BIN" serve 2>>"$work/start.log")"
    done
    fresh_berth catalog
    token=$(new_user catalog@example.com)
    api "$token" GET /services >"$work/list.json"
    value "services on the first page" "$(json items.length <"$work/list.json")"
    value "listing them over REST (ms)" "$(curl --noproxy '*' -sS -o /dev/null -w '%{time_total}' \
        -H "Authorization: Bearer $token" "$BERTH_URL/api/v1/services" | awk '{printf "%.1f", $1 * 1000}')"
    began=$(date +%s%N)
    "$BERTH_BIN" service list >/dev/null
    value "berth service list (ms)" "$((($(date +%s%N) - began) / 1000000))"
    berth_down
    rm -r "$work"/services/generated-*
}

proof() {
    title "A token that is known"
    fresh_berth proof
    local token
    token=$(new_user proof@example.com)
    "$load" authenticate --database "sqlite://$BERTH_DATA_DIR/berth.db" --token "$token"
    berth_down
}

# --- the run --------------------------------------------------------------------------------------

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(all)
[ "${groups[*]}" != all ] || groups=(calls proof eras http shared memory million catalog rooms minute)
for group in "${groups[@]}"; do
    case $group in
    calls | proof | eras | http | shared | memory | million | catalog | rooms | minute) ;;
    *) die "unknown benchmark $group; there are calls, proof, eras, http, shared, memory, million, catalog, rooms, minute, all" ;;
    esac
done
prepare
for group in "${groups[@]}"; do "$group"; done
node "$ROOT/scripts/bench-table.mjs" "$results"
