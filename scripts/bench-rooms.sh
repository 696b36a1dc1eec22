# shellcheck shell=bash disable=SC2154 # what bench.sh sets
# The part `rooms` of bench.sh, which sources this: first calls of new sessions, wakes, what walls cost,
# a thousand sessions in a row, a thousand instances, sampling. Uses bench.sh's functions and variables.

# room_service NAME LINE…: a service over the tiny child, or over what LAUNCH says.
room_service() {
    local name=$1 tiny='launch = { kind = "command", command = "'$fake'" }'
    shift
    mkdir -p "$work/services/$name"
    {
        printf 'name = "%s"\ndisplay_name = "%s"\ntransport = "stdio"\n' "$name" "$name"
        printf '%s\n' "$@"
        printf '%s\n' "${LAUNCH:-$tiny}"
    } >"$work/services/$name/service.toml"
}

room_services() {
    local node memory
    node=$(command -v node)
    memory='launch = { kind = "command", command = "'$node'", args = ["'$memory_server'"] }
[env]
MEMORY_FILE_PATH = "{DATA_DIR}/memory.jsonl"'
    local package='read_only = ["'$memory_folder'"]'
    services
    LAUNCH=$memory room_service memory-spare 'modes = ["session"]' 'spares = 1' "$package"
    LAUNCH=$memory room_service memory-cold 'modes = ["session"]' 'spares = 0' "$package"
    LAUNCH=$memory room_service memory-sleepy 'idle_seconds = 1' "$package"
    room_service fresh-walled 'modes = ["session"]' 'spares = 0'
    room_service fresh-bare 'modes = ["session"]' 'spares = 0' 'sandbox = "off"'
    room_service sleepy 'idle_seconds = 2'
    room_service awake 'idle_seconds = 0'
}

# The reference server `memory` of npm, which both sides of the contest run.
install_memory_server() {
    memory_folder=$ROOT/target/bench-memory
    memory_server=$memory_folder/node_modules/@modelcontextprotocol/server-memory/dist/index.js
    [ -f "$memory_server" ] ||
        npm install --prefix "$memory_folder" --no-audit --no-fund --silent --save-exact \
            "@modelcontextprotocol/server-memory@$(sed -n 's/^version = "\(.*\)"/\1/p' mcp-servers/memory/service.toml)"
}

# Processes below another, itself not counted.
descendants() {
    local children child count=0
    children=$(cat /proc/"$1"/task/*/children 2>/dev/null) || true
    for child in $children; do
        count=$((count + 1 + $(descendants "$child")))
    done
    echo "$count"
}

# room_url TOKEN SERVICE MODE: the endpoint of a new instance.
room_url() {
    local id
    id=$(api "$1" POST /mcps "{\"service\":\"$2\",\"mode\":\"$3\"}" | json id)
    [ -n "$id" ] || die "no instance of $2 could be made"
    wait_running "$1" "$id"
}

# Rivals that start a process for every session, over the same server.
start_memory_rivals() {
    local port
    port=$(free_port)
    supergateway=http://127.0.0.1:$port/mcp
    serve supergateway-memory "$supergateway" "$rivals/node_modules/.bin/supergateway" --stdio "node $memory_server" \
        --outputTransport streamableHttp --stateful --port "$port" --streamableHttpPath /mcp --logLevel none
    supergateway_pid=$server_pid
    # mcp-proxy has one process for everybody: its number is what sharing costs, not what a room does.
    port=$(free_port)
    mcp_proxy=http://127.0.0.1:$port/mcp
    serve mcp-proxy-memory "$mcp_proxy" "$rivals/venv/bin/mcp-proxy" --host 127.0.0.1 --port "$port" -- \
        node "$memory_server"
}

first_calls() {
    local token=$1 spare cold sleepy round with_rivals=0
    local ask=(--rounds "${BENCH_FIRST_CALLS:-8}" --tool read_graph --arguments '{}')
    spare=$(room_url "$token" memory-spare session)
    cold=$(room_url "$token" memory-cold session)
    sleepy=$(room_url "$token" memory-sleepy dedicated)
    if install_rivals && start_memory_rivals; then with_rivals=1; else warn "the rivals are left out"; fi
    for round in $(seq "$rounds"); do
        say "round $round of $rounds"
        # The rest lets a new spare get ready, and lets the sleepy one fall asleep.
        measure rooms 'bare process' 1 fresh-pipes "${ask[@]}" -- node "$memory_server"
        measure rooms 'with a spare' 1 fresh "${ask[@]}" --pause 1500 --url "$spare" --token "$token"
        measure rooms 'without a spare' 1 fresh "${ask[@]}" --url "$cold" --token "$token"
        measure rooms 'wake' 1 fresh "${ask[@]}" --pause 3000 --url "$sleepy" --token "$token"
        [ "$with_rivals" = 1 ] || continue
        measure rooms supergateway 1 fresh "${ask[@]}" --url "$supergateway"
        measure rooms 'mcp-proxy (one process for all)' 1 fresh "${ask[@]}" --url "$mcp_proxy"
    done
    [ "$with_rivals" = 0 ] || value "processes that supergateway still has" "$(descendants "$supergateway_pid")"
}

walls_cost() {
    local token=$1 admin=$2 walled bare round
    walled=$(room_url "$token" fresh-walled session)
    bare=$(room_url "$admin" fresh-bare session)
    for round in $(seq "$rounds"); do
        measure walls 'bare process' 1 fresh-pipes --rounds 40 -- "$fake"
        measure walls 'walls off' 1 fresh --rounds 40 --url "$bare" --token "$admin"
        measure walls 'walls standard' 1 fresh --rounds 40 --url "$walled" --token "$token"
    done
}

# churn WHO PID URL [TOKEN]: a thousand sessions in a row.
churn() {
    local who=$1 pid=$2 url=$3 token=${4:-} before rss
    "$load" fresh --rounds 50 --url "$url" ${token:+--token "$token"} >/dev/null || true
    sleep 2
    before=$(descendants "$pid")
    rss=$(awk '$1 == "Rss:" {print $2}' "/proc/$pid/smaps_rollup")
    measure churn "$who" 1 fresh --rounds "${BENCH_CHURN:-1000}" --url "$url" ${token:+--token "$token"}
    sleep 5
    value "$who: processes more after ${BENCH_CHURN:-1000} sessions" "$(($(descendants "$pid") - before))"
    value "$who: RSS more after ${BENCH_CHURN:-1000} sessions (KiB)" \
        "$(($(awk '$1 == "Rss:" {print $2}' "/proc/$pid/smaps_rollup") - rss))"
}

thousand_sessions() {
    local token=$1 port
    churn berth "$BERTH_PID" "$(room_url "$token" fresh-walled session)" "$token"
    install_rivals || return 0
    port=$(free_port)
    serve supergateway-churn "http://127.0.0.1:$port/mcp" "$rivals/node_modules/.bin/supergateway" --stdio "$fake" \
        --outputTransport streamableHttp --stateful --port "$port" --streamableHttpPath /mcp --logLevel none
    churn supergateway "$server_pid" "http://127.0.0.1:$port/mcp"
}

# A thousand instances of a hundred users, one in ten of them awake.
thousand_instances() {
    local user token='' one=''
    fresh_berth thousand
    for user in $(seq 100); do
        token=$(new_user "user$user@example.com")
        for _ in $(seq 9); do create_instance "$token" sleepy >/dev/null; done
        one=$(create_instance "$token" awake)
    done
    wait_running "$token" "$one" >/dev/null
    sleep 15
    value "processes with 1000 instances, 100 awake" "$(descendants "$BERTH_PID")"
    value "RSS with 1000 instances, 100 awake (KiB)" "$(kib Rss)"
    measure control 'one instance' 1 get --rounds 2000 --url "$BERTH_URL/api/v1/mcps/$one" --token "$token"
    measure control 'list of ten' 1 get --rounds 2000 --url "$BERTH_URL/api/v1/mcps" --token "$token"
}

sampling() {
    local idle
    BERTH_SAMPLE_SECONDS=5 BERTH_IDLE_SECONDS=0 fresh_berth sampling
    two_hundred
    sleep 10
    idle=$(ticks)
    sleep 30
    value "CPU of Berth with 200 idle instances, sampled every 5 s (% of a core)" \
        "$(awk -v ticks="$(($(ticks) - idle))" 'BEGIN {printf "%.2f", ticks / 30}')"
}

rooms() {
    title "Rooms: first calls, wakes, walls"
    local token admin
    install_memory_server || {
        warn "server-memory cannot be installed from npm: rooms are left out"
        return 0
    }
    room_services
    fresh_berth rooms
    token=$(new_user rooms@example.com)
    admin=$(new_user admin@example.com --admin)
    first_calls "$token"
    walls_cost "$token" "$admin"
    thousand_sessions "$token"
    title "Rooms: a thousand instances"
    thousand_instances
    title "Rooms: sampling"
    sampling
}
