#!/usr/bin/env bash
# Memory of the gateway and of a bare Pingora proxy before, during and after a burst. See README.md, or --help.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

need python3 "apt-get install python3"
need wrk "apt-get install wrk"
need taskset "apt-get install util-linux"
case " $* " in *" --help "* | *" -h "*) ;; *) build ;; esac
exec python3 "$here/lib/rss.py" "$@"
