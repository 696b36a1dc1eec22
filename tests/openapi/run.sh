#!/usr/bin/env bash
# /openapi.json against the Berth that serves it: Schemathesis calls every route with what the document allows and with
# what it does not, as an administrator, as a user, and as nobody. No answer may be a 5xx of ours, and none may be one
# that the document does not know.
#
#   BERTH_BIN=target/release/berth tests/openapi/run.sh      default: target/debug/berth
#
#   --examples N   cases for each route and kind of data; 12 when absent
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

examples=12
while [ $# -gt 0 ]; do
    case $1 in
    --examples)
        examples=${2:?--examples needs a value}
        shift
        ;;
    *) die "unknown option: $1" ;;
    esac
    shift
done

BERTH_BIN=$(readlink -f "${BERTH_BIN:-$ROOT/target/debug/berth}")
[ -x "$BERTH_BIN" ] || die "$BERTH_BIN is not there; build it: cargo build --bin berth"
tools=$ROOT/target/client-tests/schemathesis
work=$(mktemp -d)
chmod 755 "$work" # instances run as other users
BERTH_DATA_DIR=$work/data
mkdir "$BERTH_DATA_DIR"

clean_up() {
    local status=$?
    berth_down || status=1
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

mkdir -p "$(dirname "$tools")"
retry "Schemathesis" pip_install "$tools" tests/openapi/requirements.txt

# Streams stay open as long as they may, so they are asked by tests of their own.
check() {
    local who=$1
    shift
    title "Schemathesis as $who"
    (
        cd "$work"
        "$tools/bin/schemathesis" run "$BERTH_URL/openapi.json" "$@" \
            --checks not_a_server_error,status_code_conformance,content_type_conformance \
            --phases examples,coverage,fuzzing --max-examples "$examples" --seed 1 --workers 1 --no-shrink \
            --continue-on-failure --suppress-health-check all --warnings off --request-timeout 30 \
            --exclude-path-regex '/stream$|/sse$' --max-redirects 0
    )
}

# What one is told too often is no finding here; the rates have tests of their own.
export BERTH_SERVICES_DIR=$ROOT/mcp-servers
berth_up
admin=$(new_user admin@example.com --admin)
user=$(new_user user@example.com)
check "an administrator" --header "Authorization: Bearer $admin"
check "a user" --header "Authorization: Bearer $user"
check "nobody"
! grep -n 'panicked at' "$BERTH_DATA_DIR.log" || die "something panicked, see above"
say "no 5xx of ours, and no answer that the document does not know"
