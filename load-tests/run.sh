#!/usr/bin/env bash
# Measures the gateway side by side with nginx, a bare Pingora proxy, no proxy at all, and whoever else has a
# manifest. See README.md, or --help.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"
measure measure.py "$@"
