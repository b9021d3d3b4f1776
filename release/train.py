"""Puts a gateway through what gateways do, so that the compiler learns from it what is hot.

    train.py GATEWAY [PROVIDER]

GATEWAY is an instrumented `aisix`; LLVM_PROFILE_FILE says where its counts go. PROVIDER is the program whose `sim` is
the upstream, by default the same one; what it counts is thrown away. Chats, messages and streams, small and large,
over HTTP/1.1 and HTTP/2, in the clear and over TLS on both sides: what is left out would be compiled as if it never
ran. Any wrong answer ends it.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from clients import Http1, Http2

KEY = "sk-train"
SECONDS = 300
START_SECONDS = 20
STOP_SECONDS = 20
KIB = 1024
SENTENCE = 'The quick brown fox said "jump" and jumped over the lazy dog, twice, to be on the safe side.\n'


@dataclasses.dataclass(frozen=True)
class Stage:
    """So many connections, each with so many requests one after the other."""

    title: str
    connections: int
    requests: int
    kib: int = 0
    # Content frames of a stream, and how many of them in a second; 0 is as fast as they come.
    tokens: int = 0
    tps: int = 0
    client: type = Http1
    tls: bool = False


# For each dialect. A stage counts with what it runs: small requests and streams are what there is most of.
STAGES = [
    Stage("small", 32, 60),
    Stage("16 KiB", 16, 20, kib=16),
    Stage("256 KiB", 8, 6, kib=256),
    Stage("streams", 64, 3, tokens=60, tps=100),
    Stage("streams, as fast as they come", 16, 4, tokens=500),
    Stage("small, HTTP/2", 8, 40, client=Http2),
    Stage("streams, HTTP/2", 16, 2, tokens=60, tps=100, client=Http2),
    Stage("small, TLS", 8, 60, tls=True),
    Stage("256 KiB, TLS", 4, 3, kib=256, tls=True),
    Stage("streams, TLS", 16, 2, tokens=60, tps=100, tls=True),
    Stage("small, HTTP/2 and TLS", 8, 20, client=Http2, tls=True),
]


@dataclasses.dataclass(frozen=True)
class Dialect:
    alias: str
    path: str
    headers: tuple
    # What ends a stream.
    terminator: bytes


DIALECTS = [
    Dialect("chat", "/v1/chat/completions", (("Authorization", f"Bearer {KEY}"),), b"data: [DONE]\n\n"),
    Dialect("claude", "/v1/messages", (("x-api-key", KEY), ("anthropic-version", "2023-06-01")),
            b'"type":"message_stop"'),
]
# As the vendors' SDKs send them.
SDK_HEADERS = (
    ("Accept", "application/json"), ("Accept-Encoding", "gzip, deflate"), ("Content-Type", "application/json"),
    ("User-Agent", "OpenAI/Python 2.8.1"), ("X-Stainless-Lang", "python"), ("X-Stainless-OS", "Linux"),
    ("X-Stainless-Package-Version", "2.8.1"), ("X-Stainless-Arch", "x64"), ("X-Stainless-Runtime", "CPython"),
    ("X-Stainless-Runtime-Version", "3.12.3"), ("X-Stainless-Async", "false"), ("x-stainless-retry-count", "0"),
)


def main():
    gateway = os.path.abspath(sys.argv[1])
    provider = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else gateway
    with contextlib.ExitStack() as stack:
        rig = Rig(stack, gateway, provider)
        asyncio.run(asyncio.wait_for(train(rig), SECONDS))


async def train(rig):
    async with rig.relay():
        for stage in STAGES:
            for dialect in DIALECTS:
                print(f"training: {dialect.alias}, {stage.title}", file=sys.stderr)
                await asyncio.gather(*(run(rig, stage, dialect) for _ in range(stage.connections)))
        await refusals(rig)
        await scrape(rig)


async def run(rig, stage, dialect):
    client = await stage.client.connect(rig.port(stage.tls), rig.trust(stage.client) if stage.tls else None)
    body = request(stage, dialect)
    for _ in range(stage.requests):
        status, answer = await client.ask(dialect.path, SDK_HEADERS + dialect.headers, body)
        check(stage, dialect, status, answer)
    await client.close()


def check(stage, dialect, status, answer):
    alias = f'"{dialect.alias}"'.encode() in answer
    whole = not stage.tokens or dialect.terminator in answer[-200:]
    if status not in (200, None) or not alias or not whole:
        raise RuntimeError(f"{dialect.alias}, {stage.title}: status {status}, {answer[:300]!r}")


def request(stage, dialect):
    prompt = SENTENCE * (stage.kib * KIB // len(SENTENCE)) or "Hello"
    if stage.tokens:
        prompt += f" [[sim tokens={stage.tokens} tps={stage.tps}]]"
    fields = {"model": dialect.alias, "max_tokens": max(stage.tokens, 64), "temperature": 0.7}
    if stage.tokens:
        fields["stream"] = True
    return json.dumps({**fields, "messages": [{"role": "user", "content": prompt}]}).encode()


async def refusals(rig):
    """What fails is rarer, but no stranger."""
    client = await Http1.connect(rig.port(tls=False), None)
    dialect = DIALECTS[0]
    for _ in range(50):
        for path, key, body in [
            (dialect.path, "sk-wrong", b"{}"),
            (dialect.path, KEY, b'{"model": "unknown", "messages": [{"role": "user", "content": "Hello"}]}'),
            (dialect.path, KEY, b"{broken"),
            ("/nothing", KEY, b"{}"),
        ]:
            await client.ask(path, (("Authorization", f"Bearer {key}"),), body)
    await client.close()


async def scrape(rig):
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.metrics)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()


class Rig:
    """The simulated provider and two gateways: one in the clear, one with TLS on both sides."""

    def __init__(self, stack, gateway, provider):
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="train-"))
        self.stack = stack
        self.certify()
        self.sim, self.relayed, self.plain, self.secure, self.metrics = (free_port() for _ in range(5))
        quiet = {**os.environ, "LLVM_PROFILE_FILE": os.devnull}
        self.start([provider, "sim", "--addr", f"127.0.0.1:{self.sim}", "--ttft", "1ms"], quiet, self.sim)
        self.gateway(gateway, "plain", self.plain, f"http://127.0.0.1:{self.sim}", "", self.metrics)
        tls = f', tls: {{cert_file: "{self.certificate}", key_file: "{self.key}"}}'
        self.gateway(gateway, "secure", self.secure, f"https://localhost:{self.relayed}", tls, None)

    def port(self, tls):
        return self.secure if tls else self.plain

    def certify(self):
        self.certificate, self.key = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True, timeout=STOP_SECONDS)

    def gateway(self, program, name, port, upstream, tls, metrics):
        config, resources = (os.path.join(self.folder, f"{name}-{file}.yaml") for file in ("config", "resources"))
        prometheus = f'{{enabled: true, addr: "127.0.0.1:{metrics}"}}' if metrics else "{enabled: false}"
        write(config, f"""
resources_file: {resources}
proxy: {{addr: "127.0.0.1:{port}", workers: 1{tls}}}
admin: {{enabled: false}}
upstream: {{tls: {{ca_file: "{self.certificate}"}}}}
observability: {{access_log: true, metrics: {{prometheus: {prometheus}}}}}
shutdown: {{min_drain_secs: 0, stream_budget_secs: 1}}
""")
        write(resources, f"""
_format_version: "1"
provider_keys:
  - {{display_name: chat, provider: openai, api_key: sk-upstream, api_base: "{upstream}/v1"}}
  - {{display_name: claude, provider: anthropic, api_key: sk-upstream, api_base: "{upstream}"}}
models:
  - {{display_name: chat, provider: openai, model_name: gpt-4o-mini-2024-07-18, provider_key: chat}}
  - {{display_name: claude, provider: anthropic, model_name: claude-sonnet-4-5-20250929, provider_key: claude}}
api_keys:
  - {{display_name: train, key_env: TRAIN_KEY, allowed_models: ["*"]}}
""")
        environment = {**os.environ, "TRAIN_KEY": KEY, "AISIX_LOG_FORMAT": "json"}
        self.start([program, "--config", config], environment, port)

    def start(self, command, environment, port):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(stop, process)
        for _ in range(START_SECONDS * 20):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise RuntimeError(f"{command[0]} ended with {process.wait(0.05)}")
        raise RuntimeError(f"{command[0]} does not listen")

    def trust(self, client):
        """The caller's side of TLS."""
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        context.set_alpn_protocols([client.ALPN])
        return context

    def relay(self):
        """The upstream's side of TLS, in front of the simulated provider."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)

        async def relay(reader, writer):
            upstream, up = await asyncio.open_connection("127.0.0.1", self.sim)
            # Connections that idle in a pool are cut when the training ends.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(pump(reader, up), pump(upstream, writer))

        return Server(relay, self.relayed, context)


class Server:
    """An asyncio server within a block."""

    def __init__(self, serve, port, context):
        self.serve, self.port, self.context = serve, port, context

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "localhost", self.port, ssl=self.context)

    async def __aexit__(self, *_):
        self.server.close()


async def pump(reader, writer):
    with contextlib.suppress(OSError, ssl.SSLError):
        while piece := await reader.read(64 * KIB):
            writer.write(piece)
            await writer.drain()
    writer.close()


def stop(process):
    """In order: counts are written when the program ends by itself."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"process {process.pid} did not end") from None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^\n", "", text))


if __name__ == "__main__":
    main()
