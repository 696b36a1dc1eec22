#!/usr/bin/env bash
# The official clients, unmodified, sign in to a Berth started here: a real browser (Chromium) signs a person in and consents,
# by registration and by client metadata document; the clients then go on past the end of their access tokens, and are
# locked out when the person takes the consent back. Then the authorization scenarios of the conformance suite.
#
#   BERTH_BIN=target/debug/berth tests/oauth/run.sh [--shots DIRECTORY]
#
# What has to pass is in expected.txt: a check that did not run has failed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

shots=
while [ $# -gt 0 ]; do
    case $1 in
    --shots)
        shots=$(mkdir -p "${2:?--shots names a directory}" && readlink -f "$2")
        shift 2
        ;;
    *) die "unknown argument $1; see the head of $0" ;;
    esac
done

here=$ROOT/tests/oauth
tools=$ROOT/target/client-tests
BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
fixture=$(dirname "$BERTH_BIN")/conformance-server
for program in "$BERTH_BIN" "$fixture"; do
    [ -x "$program" ] || die "$program is not there; build it: cargo build --bin $(basename "$program")"
done
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
BERTH_DATA_DIR=$work/data
export BERTH_SERVICES_DIR=$work/services BERTH_RESULTS=$work/results
mkdir "$BERTH_DATA_DIR" "$BERTH_SERVICES_DIR"
started=()

clean_up() {
    local status=$? pid
    for pid in "${started[@]}"; do end_process "$pid" 10 || true; done
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

# --- installing -----------------------------------------------------------------------------------

find_chromium() { BERTH_CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome); }

title "Installing the clients and the browser"
find_chromium || { apt_install chromium && find_chromium; } || {
    warn "there is no Chromium, and it could not be installed"
    exit 77
}
export BERTH_CHROMIUM
have openssl || apt_install openssl || die "openssl is needed, for certificates of the tests' own"
mkdir -p "$tools"
retry "the TypeScript SDKs and playwright-core" npm_ci "$here"
for line in v1 v2; do
    retry "the Python SDK $line" pip_install "$tools/python-$line" "$ROOT/tests/clients/python/requirements-$line.txt"
done
cargo build --locked --quiet --example rmcp-sign-in

# --- what the clients need ------------------------------------------------------------------------

# announce NAME COMMAND…: starts it, waits for its `listening PORT`, sets `port`.
announce() {
    local name=$1 tenths=0
    shift
    "$@" </dev/null >"$work/$name.out" 2>"$work/$name.err" &
    started+=($!)
    until port=$(sed -n 's/^listening //p' "$work/$name.out") && [ -n "$port" ]; do
        kill -0 "${started[-1]}" 2>/dev/null || die "$name did not start: $(cat "$work/$name.err")"
        sleep 0.1
        tenths=$((tenths + 1))
        [ "$tenths" -lt 300 ] || die "$name did not come up within 30 s"
    done
}

# An authority of our own: documents of clients are fetched over https alone.
make_certificates() {
    (
        cd "$work"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=tests" \
            -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=clients.localhost" -keyout site.key -out site.csr
        printf 'subjectAltName=DNS:clients.localhost\nextendedKeyUsage=serverAuth\n' >site.ext
        openssl x509 -req -in site.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile site.ext -out site.pem
    ) 2>"$work/openssl.err" || die "openssl: $(cat "$work/openssl.err")"
}

write_service() {
    mkdir "$BERTH_SERVICES_DIR/fixture"
    printf 'name = "fixture"\ndisplay_name = "Fixture"\ntransport = "stdio"\n[launch]\nkind = "command"\ncommand = "%s"\nargs = ["--era", "session"]\n' \
        "$fixture" >"$BERTH_SERVICES_DIR/fixture/service.toml"
}

title "Starting Berth, a browser and the clients' documents"
make_certificates
write_service
export BERTH_CA_FILE=$work/ca.pem BERTH_ALLOW_PRIVATE_TARGETS=127.0.0.0/8 BERTH_ACCESS_TOKEN_SECONDS=5
berth_up
export BERTH_EMAIL=person@example.com BERTH_PASSWORD='a long enough password' BERTH_SHOTS=$shots BERTH_URL
BERTH_TOKEN=$(new_user "$BERTH_EMAIL")
export BERTH_TOKEN
BERTH_ADMIN=$(new_user admin@example.com --admin)
export BERTH_ADMIN
instance=$(create_instance "$BERTH_TOKEN" fixture)
BERTH_TARGET=$(wait_running "$BERTH_TOKEN" "$instance" 60)
export BERTH_TARGET
announce browser node "$here/browser.mjs"
export BERTH_BROWSER=http://127.0.0.1:$port
announce documents node "$here/documents.mjs" "$work/site.key" "$work/site.pem" "$BERTH_BROWSER/callback"
export BERTH_DOCUMENTS=https://clients.localhost:$port

# --- the run --------------------------------------------------------------------------------------

: >"$BERTH_RESULTS"
for line in v1 v2; do
    title "TypeScript SDK $line"
    node "$here/$line.mjs" || warn "it ended with $?"
    title "Python SDK $line"
    "$tools/python-$line/bin/python" "$here/$line.py" || warn "it ended with $?"
done
title "Rust SDK"
"$ROOT/target/debug/examples/rmcp-sign-in" || warn "it ended with $?"
title "Paths that clients may take"
node "$here/paths.mjs" || warn "it ended with $?"
title "Conformance: the authorization server"
"$here/conformance.sh" || warn "it ended with $?"

title "Results"
node "$here/report.mjs" "$here/expected.txt" "$BERTH_RESULTS"
