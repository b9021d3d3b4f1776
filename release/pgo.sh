#!/usr/bin/env bash
# Builds `aisix` for a release, optimised by what it does under load (profile-guided optimisation).
#
#   release/pgo.sh
#
# Three steps: an instrumented build; train.py puts it through chats, messages and streams; a build that uses what
# was counted. Two builds with link-time optimisation take some minutes each. The program is printed with its size;
# it lies below CARGO_TARGET_DIR (default target/) in pgo/. RUSTFLAGS are kept and added to.
#
# Needed besides what every build needs: python3, openssl, and `rustup component add llvm-tools`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(realpath -m "${CARGO_TARGET_DIR:-$here/../target}")/pgo
# Seconds.
build_bound=${PGO_BUILD_SECONDS:-1800} train_bound=400

main() {
  [ $# = 0 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
  local host profdata
  host=$(rustc -vV | sed -n 's/^host: //p')
  profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
  need "$profdata" "rustup component add llvm-tools (it must be of the compiler's own version)"
  need python3 "apt-get install python3"
  need openssl "apt-get install openssl"

  rm -rf "$work/counts"
  mkdir -p "$work/counts"
  say "the instrumented build"
  build "$host" "-Cprofile-generate=$work/counts"
  cp "$work/$host/release/aisix" "$work/aisix-instrumented"

  say "training"
  LLVM_PROFILE_FILE="$work/counts/%p-%m.profraw" timeout "$train_bound" \
    python3 -B "$here/train.py" "$work/aisix-instrumented"
  "$profdata" merge -o "$work/aisix.profdata" "$work"/counts/*.profraw

  say "the build for the release"
  build "$host" "-Cprofile-use=$work/aisix.profdata"
  cp "$work/$host/release/aisix" "$work/aisix"
  "$work/aisix" --version
  echo "$work/aisix: $(stat -c %s "$work/aisix") bytes"
}

# build TRIPLE FLAG. Named as a target, the host's build scripts and macros stay as they are.
build() {
  (cd "$here/.." && CARGO_TARGET_DIR=$work RUSTFLAGS="${RUSTFLAGS:-} $2" timeout "$build_bound" \
    cargo build --release --locked --bin aisix --target "$1")
}

need() {
  command -v "$1" >/dev/null && return
  echo "$1 is missing: $2" >&2
  exit 1
}

say() {
  echo "pgo: $1" >&2
}

main "$@"
