#!/usr/bin/env bash
# User instructions and system calls per request. See README.md, or --help.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"
need valgrind "apt-get install valgrind"
measure icount.py "$@"
