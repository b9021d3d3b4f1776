#!/usr/bin/env bash
# Runs the official SDKs against a gateway started without configuration: run.sh BIN [python|node]
set -euo pipefail

binary=$(realpath "${1:?usage: run.sh BIN [python|node]}")
suite=${2:-all}
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$here/../.." && pwd)/target/sdk
mkdir -p "$work"

export GATEWAY_KEY=sk-5d65d65d65d65d65d65d65d65d65d65d
run=$(mktemp -d "$work/run.XXXXXX")
touch "$run/stdout" "$run/stderr"

start_gateway() {
  (
    cd "$run"
    exec env AISIX_READY_LINE=1 AISIX_LOG_FORMAT=json AISIX_CALLER_KEY="$GATEWAY_KEY" \
      AISIX_PROXY__ADDR=127.0.0.1:0 AISIX_ADMIN__ADDR=127.0.0.1:0 \
      AISIX_OBSERVABILITY__METRICS__PROMETHEUS__ADDR=127.0.0.1:0 AISIX_SHUTDOWN__MIN_DRAIN_SECS=0 AISIX_DATA_DIR="$run/data" \
      "$binary" >"$run/stdout" 2>"$run/stderr"
  ) &
  gateway=$!
  trap stop_gateway EXIT
  for _ in $(seq 200); do
    address=$(sed -n 's/^{.*"proxy": *"\([^"]*\)".*/\1/p' "$run/stdout")
    [ -n "$address" ] && break
    kill -0 "$gateway" 2>/dev/null || break
    sleep 0.1
  done
  [ -n "${address:-}" ] || { cat "$run/stdout" "$run/stderr" >&2; echo "the gateway did not start" >&2; exit 1; }
  export GATEWAY_URL=http://$address
}

stop_gateway() {
  status=$?
  kill "$gateway" 2>/dev/null || true
  wait "$gateway" 2>/dev/null || true
  [ "$status" = 0 ] || { echo "--- the gateway's last lines ---" >&2; tail -n 30 "$run/stderr" >&2; }
  rm -rf "$run"
}

run_python() {
  [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
  if ! cmp -s "$here/python/requirements.txt" "$work/venv/installed.txt"; then
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
    cp "$here/python/requirements.txt" "$work/venv/installed.txt"
  fi
  "$work/venv/bin/python" -m pytest -q -p no:cacheprovider "$here/python"
}

run_node() {
  mkdir -p "$work/node"
  if ! cmp -s "$here/node/package.json" "$work/node/package.json"; then
    cp "$here/node/package.json" "$here/node/package-lock.json" "$work/node/"
    (cd "$work/node" && npm ci --silent --no-audit --no-fund) || { rm "$work/node/package.json"; return 1; }
  fi
  cp "$here"/node/*.mjs "$work/node/"
  (cd "$work/node" && node --test)
}

start_gateway
export PYTHONDONTWRITEBYTECODE=1
case $suite in
  python) run_python ;;
  node) run_node ;;
  all)
    run_python
    run_node
    ;;
  *) echo "unknown suite: $suite" >&2; exit 2 ;;
esac
