#!/usr/bin/env bash
# User instructions and system calls per request of the gateway and of a bare Pingora proxy. See README.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

need python3 "apt-get install python3"
need valgrind "apt-get install valgrind"
need taskset "apt-get install util-linux"
case " $* " in *" --help "* | *" -h "*) ;; *) build ;; esac
exec python3 "$here/lib/icount.py" "$@"
