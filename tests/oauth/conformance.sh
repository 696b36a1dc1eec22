#!/usr/bin/env bash
# The authorization scenarios of the official conformance suite, by the browser of browser.mjs. Called by run.sh, whose
# variables it reads: BERTH_URL, BERTH_TARGET, BERTH_BROWSER, BERTH_ADMIN (a token), BERTH_RESULTS.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
cd "$ROOT"

install_conformance_suite
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
port=$(free_port)
: >"$out/log"
made=$(api "$BERTH_ADMIN" POST /oauth/clients \
    "{\"name\":\"conformance\",\"authentication\":\"none\",\"redirect_uris\":[\"http://127.0.0.1:$port/callback\"]}")
"$suite_node" "$ROOT/tests/conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js" authorization \
    --url "$BERTH_URL" --client-id "$(json id <<<"$made")" \
    --resource "$BERTH_TARGET" -p "$port" -o "$out" >"$out/log" 2>&1 &
suite=$!

# It prints where a person has to go, and waits for them.
tenths=0
until page=$(grep -ao "$BERTH_URL/[^ ]*authorize?[^ ]*" "$out/log" | head -n 1) && [ -n "$page" ]; do
    kill -0 "$suite" 2>/dev/null || die "the suite ended at once: $(cat "$out/log")"
    sleep 0.1
    tenths=$((tenths + 1))
    [ "$tenths" -lt 300 ] || die "the suite does not ask: $(cat "$out/log")"
done
curl --noproxy '*' -sS --data "$(node -p 'JSON.stringify({ url: process.argv[1] })' "$page")" "$BERTH_BROWSER/open" >"$out/browser" || true
wait "$suite" || warn "the suite ended with $?: $(tail -n 20 "$out/log") $(cat "$out/browser")"

# A warning is no pass: one line per scenario, with what did not succeed in it.
node - "$out" "$BERTH_RESULTS" <<'JS'
const { appendFileSync, readFileSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const [out, results] = process.argv.slice(2);
for (const entry of readdirSync(out, { withFileTypes: true, recursive: true })) {
    if (entry.name !== 'checks.json') continue;
    const folder = entry.parentPath ?? entry.path;
    const checks = JSON.parse(readFileSync(join(folder, entry.name), 'utf8'));
    const bad = checks.filter(({ status }) => !['SUCCESS', 'INFO'].includes(status));
    const check = folder.split('/').pop().replace(/^authorization-server-/, '').replace(/-\d{4}-\d\d-\d\d.*$/, '');
    const problem = bad.length || !checks.length ? JSON.stringify(bad) : undefined;
    appendFileSync(results, `${JSON.stringify({ client: 'conformance', check, problem })}\n`);
    console.log(`${problem ? 'FAILED' : 'passed'}  ${check}  ${checks.length} checks ${problem ?? ''}`);
}
JS
