#!/usr/bin/env bash
# Sends the Admin API what its OpenAPI document allows, and what it does not: run.sh BIN
set -euo pipefail

binary=$(realpath "${1:?usage: run.sh BIN}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$here/../.." && pwd)/target/openapi
mkdir -p "$work"
run=$(mktemp -d "$work/run.XXXXXX")
key=sk-admin-of-the-tests

tool=${SCHEMATHESIS:-$work/venv/bin/schemathesis}
if [ -z "${SCHEMATHESIS:-}" ]; then
  [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
  if ! cmp -s "$here/requirements.txt" "$work/venv/installed.txt"; then
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$work/venv/installed.txt"
  fi
fi

cat >"$run/aisix.yaml" <<YAML
store_file: $run/aisix.db
proxy: {addr: "127.0.0.1:0", workers: 1}
admin: {addr: "127.0.0.1:0", admin_keys: [$key]}
observability: {metrics: {prometheus: {addr: "127.0.0.1:0"}}}
shutdown: {min_drain_secs: 0}
YAML
(cd "$run" && exec env AISIX_READY_LINE=1 "$binary" --config aisix.yaml >stdout 2>stderr) &
gateway=$!

stop() {
  status=$?
  kill "$gateway" 2>/dev/null || true
  wait "$gateway" 2>/dev/null || true
  [ "$status" = 0 ] || { echo "--- the gateway's last lines ---" >&2; tail -n 30 "$run/stderr" >&2; }
  rm -rf "$run"
}
trap stop EXIT

for _ in $(seq 200); do
  address=$(sed -n 's/^{.*"admin": *"\([^"]*\)".*/\1/p' "$run/stdout" 2>/dev/null || true)
  [ -n "$address" ] && break
  kill -0 "$gateway" 2>/dev/null || break
  sleep 0.1
done
[ -n "${address:-}" ] || { echo "the gateway did not start" >&2; exit 1; }

cd "$run"
"$tool" --config-file "$here/schemathesis.toml" run "http://$address/admin/openapi.json" \
  --url "http://$address" --header "Authorization: Bearer $key" \
  --max-time "${SECONDS_OF_TESTING:-45}" --max-examples 8 --workers 1 --no-shrink \
  --suppress-health-check all --warnings off
