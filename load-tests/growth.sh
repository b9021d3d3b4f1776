#!/usr/bin/env bash
# What a request costs, and what is held, as aliases, caller keys and open streams grow. See README.md, or --help.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"
# Each open stream is two files of the gateway; the script asks for more where it needs more.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
measure growth.py "$@"
