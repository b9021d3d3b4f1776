# Sourced by the scripts here: builds what they run, and says where it is in LOAD_BIN.
#
# CARGO_TARGET_DIR chooses the target folder; LOAD_BIN, when set, names a folder with ready programs instead.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

need() {
  command -v "$1" >/dev/null && return
  echo "$1 is missing: $2" >&2
  exit 1
}

build() {
  [ -n "${LOAD_BIN:-}" ] && return
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/../target}
  (cd "$here/.." && cargo build --release --locked --bin aisix)
  (cd "$here/bare" && cargo build --release --locked)
  export LOAD_BIN=$CARGO_TARGET_DIR/release
}

# measure SCRIPT ARGUMENTS: one of lib/, with what it needs.
measure() {
  need python3 "apt-get install python3"
  python3 -c 'import tomllib' 2>/dev/null || { echo "python3 is too old: 3.11 is needed" >&2; exit 1; }
  local script=$1
  shift
  case " $* " in *" --help "* | *" -h "*) ;; *) build ;; esac
  exec python3 "$here/lib/$script" "$@"
}
