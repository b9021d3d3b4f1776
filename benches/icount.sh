#!/usr/bin/env bash
# Instructions of the cases in icount/, counted by callgrind, against the recorded ones in icount.json.
#
#   benches/icount.sh             fails when a case needs over 5 % (and 50 instructions) more than recorded
#   benches/icount.sh --record    writes icount.json anew
#
# Counts do not move with the load of the machine. They do move with the compiler and, little, with the
# processor (string routines choose their code at run time), so the file says what it was recorded on.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
recorded=$here/icount.json
allowed_percent=5
# Hash tables are seeded anew by every process, so a lookup varies by some instructions.
allowed_more=50
times=200

main() {
  command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind" >&2; exit 1; }
  local program
  program=$(build)
  case ${1:-} in
    --record) record "$program" ;;
    "") check "$program" ;;
    *) echo "usage: $0 [--record]" >&2; exit 2 ;;
  esac
}

# The program's path. Optimised as a release but for the link-time pass, which would cost minutes; with its symbols,
# by which callgrind finds what to count.
build() {
  (cd "$here/.." && CARGO_PROFILE_BENCH_LTO=off cargo rustc --quiet --profile bench --bench icount \
    --message-format=json -- -C strip=none) |
    sed -n 's/.*"name":"icount".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

record() {
  local name now first=1
  {
    printf '{\n  "rustc": "%s",\n  "cpu": "%s",\n  "instructions": {' "$(rustc --version)" "$(cpu)"
    for name in $("$1"); do
      [ $first = 1 ] || printf ','
      first=0
      now=$(count "$1" "$name")
      printf '\n    "%s": %s' "$name" "$now"
    done
    printf '\n  }\n}\n'
  } >"$recorded.new"
  mv "$recorded.new" "$recorded"
  cat "$recorded"
}

check() {
  local name now before failed=0
  printf '%-36s %12s %12s %8s\n' case recorded now change
  for name in $("$1"); do
    now=$(count "$1" "$name")
    before=$(sed -n "s/.*\"$name\": \([0-9]*\).*/\1/p" "$recorded")
    if [ -z "$before" ]; then
      printf '%-36s %12s %12s   not recorded\n' "$name" - "$now"
      failed=1
    else
      printf '%-36s %12s %12s %+7d%%' "$name" "$before" "$now" $(((now - before) * 100 / before))
      if ((now > before * (100 + allowed_percent) / 100 + allowed_more)); then
        printf '   more than allowed'
        failed=1
      fi
      echo
    fi
  done
  if [ $failed = 1 ]; then
    echo "recorded with $(sed -n 's/.*"rustc": "\(.*\)".*/\1/p' "$recorded"); --record accepts the new counts"
  fi
  return $failed
}

# Instructions of one run of case $2. What the case needs before its first run is not among them, nor are other
# threads. String copies by `rep movsb` would count once for each byte; the allocator's giving back of memory falls on
# whichever run is due.
count() {
  local all
  all=$(GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824 \
    MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1 \
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=icount::counted "$1" "$2" $times 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
  if [ "${all:-0}" = 0 ]; then
    echo "$2: callgrind counted nothing" >&2
    exit 1
  fi
  echo $((all / times))
}

cpu() {
  sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1
}

main "$@"
