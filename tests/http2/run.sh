#!/usr/bin/env bash
# The HTTP/2 door against curl, h2load and hand-made frames: run.sh BIN
# Needs curl, h2load and nghttp (Debian: nghttp2-client) and python3.
set -euo pipefail

binary=$(realpath "${1:?usage: run.sh BIN}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$here/../.." && pwd)/target/http2
mkdir -p "$work"
for command in curl h2load nghttp python3; do
  command -v "$command" >/dev/null || { echo "missing: $command" >&2; exit 2; }
done

run=$(mktemp -d "$work/run.XXXXXX")
export GATEWAY_KEY=sk-5d65d65d65d65d65d65d65d65d65d65d
processes=()

stop() {
  status=$?
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
  wait "${processes[@]}" 2>/dev/null || true
  if [ "$status" != 0 ]; then
    echo "--- the gateway's last lines ---" >&2
    tail -n 20 "$run/gateway.err" 2>/dev/null | cut -c 1-300 >&2 || true
  fi
  rm -rf "$run"
}
trap stop EXIT

# start NAME PATTERN COMMAND…: starts a process; the first match of the pattern in its stdout is its address.
start() {
  name=$1 pattern=$2
  shift 2
  (cd "$run" && exec "$@" >"$run/$name.out" 2>"$run/$name.err") &
  processes+=($!)
  for _ in $(seq 100); do
    address=$(sed -n "s/$pattern/\1/p" "$run/$name.out" 2>/dev/null | head -n 1)
    [ -z "$address" ] || return 0
    kill -0 "${processes[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  cat "$run/$name.err" >&2
  echo "$name did not start" >&2
  exit 1
}

start sim '.*http:\/\/\(.*\)' "$binary" sim --addr 127.0.0.1:0
cat >"$run/resources.yaml" <<YAML
_format_version: "1"
provider_keys:
  - {display_name: sim, provider: openai, api_key: any, api_base: "http://$address/v1"}
models:
  - {display_name: chat, provider: openai, model_name: sim, provider_key: sim}
api_keys:
  - {display_name: tests, key_env: GATEWAY_KEY, allowed_models: ["*"]}
YAML
cat >"$run/aisix.yaml" <<YAML
resources_file: $run/resources.yaml
proxy: {addr: "127.0.0.1:0", header_timeout_ms: 2000, body_timeout_ms: 2000}
admin: {addr: "127.0.0.1:0"}
observability: {metrics: {prometheus: {addr: "127.0.0.1:0"}}}
downstream: {idle_timeout_secs: 2, write_timeout_ms: 1500}
shutdown: {min_drain_secs: 0}
YAML
start gateway '^{.*"proxy": *"\([^"]*\)".*' env AISIX_READY_LINE=1 "$binary" --config "$run/aisix.yaml"

export GATEWAY_ADDRESS=$address GATEWAY_PID=${processes[-1]} PYTHONDONTWRITEBYTECODE=1
timeout 120 python3 "$here/run.py" "$run"
