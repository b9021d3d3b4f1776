#!/usr/bin/env bash
# Memory idle, during and after a burst, and with open streams. See README.md, or --help.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"
measure rss.py "$@"
