#!/usr/bin/env bash
# Makes static/vendor from npm: the published modules of the versions below, each tarball checked against the hash that
# the registry published for it. The only change: modules name each other by relative paths, as nothing resolves
# names in a browser without an import map, and an inline one is not allowed here.
#
#   scripts/vendor.sh            makes the folder        scripts/vendor.sh --check     fails when it differs
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"
have npm || die "npm is missing"

# name version sha512 (as in `npm view NAME@VERSION dist.integrity`)
packages=(
    "preact 11.2.0 sha512-/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg=="
    "htm 3.1.1 sha512-983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ=="
    "@preact/signals 2.11.4 sha512-Rb+5RPo9gWSaHtzJeauhHxiC8KP/IF2DEPkHPEOGOnuy2wnJzRqyeLRankUCYd6ADqtxS6GnWGv6Ie343d8aYw=="
    "@preact/signals-core 1.14.5 sha512-vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg=="
    "uplot 1.6.32 sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
)
# package file-in-it file-in-vendor
files=(
    "preact dist/preact.mjs preact.js"
    "preact hooks/dist/hooks.mjs hooks.js"
    "htm dist/htm.module.js htm.js"
    "@preact/signals dist/signals.module.js signals.js"
    "@preact/signals-core dist/signals-core.module.js signals-core.js"
    "uplot dist/uPlot.esm.js uplot.js"
    "uplot dist/uPlot.min.css uplot.css"
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$ROOT/static/vendor
[ "${1:-}" != --check ] || out=$work/vendor
mkdir -p "$out"

{
    # shellcheck disable=SC2016 # Markdown, on purpose
    printf '# Libraries of the dashboard\n\nMade by `scripts/vendor.sh` from npm; do not edit. Modules name each other by relative paths, nothing else is changed.\n\n'
    printf '| file | package | version | licence | source |\n|---|---|---|---|---|\n'
} >"$out/README.md"

for package in "${packages[@]}"; do
    read -r name version hash <<<"$package"
    archive=$(cd "$work" && npm pack --silent "$name@$version" 2>/dev/null)
    found=sha512-$(openssl dgst -sha512 -binary "$work/$archive" | base64 -w0)
    [ "$found" = "$hash" ] || die "$name@$version: the hash is $found, not $hash"
    mkdir -p "$work/$name"
    tar -xzf "$work/$archive" -C "$work/$name" --strip-components=1
    about() { json "$1" <"$work/$name/package.json"; }
    licence=$(about license)
    source=$(about repository.url || true)
    [ -n "$source" ] || source=https://github.com/$(about repository)
    for file in "${files[@]}"; do
        read -r of from to <<<"$file"
        [ "$of" = "$name" ] || continue
        sed -e 's#"preact/hooks"#"./hooks.js"#g' -e 's#"preact"#"./preact.js"#g' -e 's#"@preact/signals-core"#"./signals-core.js"#g' \
            -e "s,//# sourceMappingURL=.*,," "$work/$name/$from" >"$out/$to"
        # shellcheck disable=SC2016 # Markdown, on purpose
        printf '| `%s` | %s | %s | %s | %s |\n' "$to" "$name" "$version" "$licence" "$source" >>"$out/README.md"
    done
done

[ "${1:-}" != --check ] || diff -r "$ROOT/static/vendor" "$out"
