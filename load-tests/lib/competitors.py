"""Who is measured. A competitor is a row: how it is started, and under which port it answers then.

`start(rig, upstream)` returns `(process, port)`; `upstream` is the port of the simulated provider. A row whose
program is missing returns None and is left out. `direct` is the provider itself, without anything in between.
"""

import os

import rig as machine

KEY = "sk-load"
# What callers ask for, and what the gateway must make of it on the way: names of different lengths, so that
# the rewrite is real work.
CHAT_ALIAS, CHAT_MODEL = "load-chat", "gpt-4o-mini-2024-07-18"
CLAUDE_ALIAS, CLAUDE_MODEL = "load-claude", "claude-sonnet-4-5-20250929"


def direct(_rig, upstream):
    return None, upstream


def bare(rig, upstream):
    port = machine.free_port()
    command = [program("bare"), "--addr", f"127.0.0.1:{port}", "--upstream", f"127.0.0.1:{upstream}"]
    process = rig.start("bare", command, machine.PROXY_CORE)
    machine.await_port(port, process)
    return process, port


def gateway(rig, upstream):
    config = rig.file("aisix.yaml", GATEWAY_CONFIG.format(resources=rig.file(
        "resources.yaml", GATEWAY_RESOURCES.format(upstream=upstream))))
    process = rig.start(
        "gateway", [program("aisix"), "--config", config], machine.PROXY_CORE,
        env={"AISIX_READY_LINE": "1", "AISIX_LOG_FORMAT": "json", "LOAD_CALLER_KEY": KEY}, stdout=machine.subprocess.PIPE)
    port = int(process.line(r'"proxy":"127\.0\.0\.1:(\d+)"').group(1))
    machine.await_port(port, process)
    return process, port


# The order is that of every round.
COMPETITORS = {"direct": direct, "bare": bare, "gateway": gateway}
# What the others are compared with.
BASELINE = "bare"


def provider(rig):
    """The simulated provider; its port."""
    process = rig.start(
        "sim", [program("aisix"), "sim", "--addr", "127.0.0.1:0"], machine.LOAD_CORE,
        stdout=machine.subprocess.PIPE)
    return int(process.line(r"http://127\.0\.0\.1:(\d+)").group(1))


def program(name):
    """Path of a program that build.sh made."""
    return os.path.join(os.environ["LOAD_BIN"], name)


# The shipped defaults (key check, alias, usage, metrics, access log as JSON), on one worker. The log goes to
# stderr, and that to /dev/null.
GATEWAY_CONFIG = """\
resources_file: {resources}
proxy: {{addr: "127.0.0.1:0", workers: 1}}
admin: {{enabled: true, addr: "127.0.0.1:0"}}
observability:
  access_log: true
  metrics: {{prometheus: {{enabled: true, addr: "127.0.0.1:0"}}}}
shutdown: {{min_drain_secs: 0, stream_budget_secs: 1}}
"""

GATEWAY_RESOURCES = f"""\
_format_version: "1"
provider_keys:
  - {{{{display_name: chat, provider: openai, api_key: sk-upstream, api_base: "http://127.0.0.1:{{upstream}}/v1"}}}}
  - {{{{display_name: claude, provider: anthropic, api_key: sk-upstream, api_base: "http://127.0.0.1:{{upstream}}"}}}}
models:
  - {{{{display_name: {CHAT_ALIAS}, provider: openai, model_name: {CHAT_MODEL}, provider_key: chat}}}}
  - {{{{display_name: {CLAUDE_ALIAS}, provider: anthropic, model_name: {CLAUDE_MODEL}, provider_key: claude}}}}
api_keys:
  - {{{{display_name: load, key_env: LOAD_CALLER_KEY, allowed_models: [{CHAT_ALIAS}, {CLAUDE_ALIAS}]}}}}
"""
