#!/usr/bin/env bash
# Installs another gateway to be measured: install.sh litellm | portkey [FOLDER]. See README.md.
#
# It goes below FOLDER, else LOAD_PEERS, else CARGO_TARGET_DIR (default target/) + /load-peers; run.sh looks there too,
# by LOAD_PEERS and CARGO_TARGET_DIR.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/build.sh"

# The versions that the manifests were written for; others are chosen by the variables.
LITELLM_VERSION=${LITELLM_VERSION:-1.106.2}
PORTKEY_VERSION=${PORTKEY_VERSION:-1.15.2}
peers=${2:-${LOAD_PEERS:-${CARGO_TARGET_DIR:-$here/../target}/load-peers}}
mkdir -p "$peers"

case "${1:-}" in
litellm)
  need python3 "apt-get install python3"
  python3 -m venv "$peers/litellm" || { echo "a virtual environment: apt-get install python3-venv" >&2; exit 1; }
  "$peers/litellm/bin/pip" install --quiet "litellm[proxy]==$LITELLM_VERSION"
  ;;
portkey)
  need npm "apt-get install nodejs npm"
  npm install --silent --no-audit --no-fund --prefix "$peers/portkey" "@portkey-ai/gateway@$PORTKEY_VERSION"
  ;;
*)
  echo "usage: install.sh litellm | portkey [FOLDER]" >&2
  exit 2
  ;;
esac
echo "installed below $peers/$1"
