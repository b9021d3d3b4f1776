#!/bin/sh
# Fuzzes every target for a bounded time:  fuzz/run.sh SECONDS [TARGET...]
#
# Works with the stable toolchain. The instrumentation is asked of LLVM directly, which is what cargo-fuzz does
# too; the sanitizers, which need nightly, find nothing in a crate without unsafe code. Needs a C++ compiler for
# libFuzzer: apt-get install -y g++.
#
# New inputs go to fuzz/corpus, findings to fuzz/artifacts; neither is kept in git. To repeat a finding, run the
# binary with the file as its argument.
set -eu
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")"

host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
# With --target the flags reach the code under test alone, not build scripts.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --bins --target "$host"

seeds() {
    fixtures=../tests/fixtures
    case $1 in
        peek) echo "$fixtures"/*/request ;;
        strict) echo seeds/peek "$fixtures"/*/request "$fixtures"/*/response ;;
        sse) echo "$fixtures"/*/stream ;;
        translate) echo "$fixtures"/*/request "$fixtures"/*/response "$fixtures"/*/stream ;;
        splice) echo "$fixtures"/*/response "$fixtures"/*/stream "$fixtures"/*/error ;;
    esac
}

[ $# -gt 0 ] || set -- $(sed -n '/^\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' Cargo.toml)
for target in "$@"; do
    echo "== $target: $seconds s"
    mkdir -p "corpus/$target" "artifacts/$target"
    log=artifacts/$target/log
    "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=8192 -dict=tokens.dict -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
        "corpus/$target" "seeds/$target" $(seeds "$target") >"$log" 2>&1 || {
        tail -n 60 "$log"
        echo "$target: found something, see fuzz/artifacts/$target"
        exit 1
    }
    grep -E 'DONE +cov:|^stat::(number_of_executed_units|average_exec_per_sec)' "$log"
done
