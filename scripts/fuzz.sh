#!/usr/bin/env bash
# Fuzzes what reads bytes from outside, on the stable toolchain. Installs cargo-fuzz into
# target/tools when it is missing.
#
#   scripts/fuzz.sh [SECONDS] [TARGET…]     60 seconds for each target, unless told otherwise
#
# What is found lies in fuzz/artifacts/TARGET: fix it, then keep it as fuzz/corpus/TARGET/some_name,
# which the ordinary tests replay. What only widens coverage stays in target/fuzz-corpus.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

export PATH=$ROOT/target/tools/bin:$PATH
# Coverage instrumentation is a compiler flag that stable refuses by default; sanitizers would need
# a nightly, and there is no unsafe code here for them to watch.
export RUSTC_BOOTSTRAP=1
options=(--sanitizer none --codegen-units 16 --target-dir target/fuzz)

seconds=60
case ${1:-} in
    '') ;;
    *[!0-9]*) ;;
    *)
        seconds=$1
        shift
        ;;
esac

all_targets() { find fuzz/fuzz_targets -maxdepth 1 -name '*.rs' -exec basename {} .rs \; | sort; }

ensure_tool() {
    cargo fuzz --version >/dev/null 2>&1 && return 0
    say "installing cargo-fuzz into target/tools (once)"
    cargo install --locked --quiet --root target/tools cargo-fuzz || die "cargo-fuzz could not be installed"
}

# fuzz_one TARGET: the first corpus is written to, the committed one is only read.
fuzz_one() {
    local target=$1 found=target/fuzz-corpus/$1
    mkdir -p "$found"
    cargo fuzz run "${options[@]}" "$target" "$found" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1
}

check_cargo
ensure_tool
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(all_targets); fi
failed=()
for target in "${targets[@]}"; do
    [ -f "fuzz/fuzz_targets/$target.rs" ] || die "no such target: $target. There are: $(all_targets | tr '\n' ' ')"
done
for target in "${targets[@]}"; do
    title "$target, $seconds s"
    fuzz_one "$target" || failed+=("$target")
done
[ ${#failed[@]} = 0 ] || die "findings in ${failed[*]}: see fuzz/artifacts"
say "nothing was found in ${#targets[@]} targets"
