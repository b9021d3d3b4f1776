"""Gateways with many rows: their resources files, and how they are started."""

import dataclasses
import hashlib
import os
import time

import competitors

# Where post-load puts a number.
PLACE = "0000000"
# Memory has settled when it has not changed by more than this share for a while; the longest wait in seconds.
STILL, WHILE, LONGEST = 0.01, 4, 30
READY_SECONDS = 900

HEAD = """\
_format_version: "1"
provider_keys:
  - {{display_name: chat, provider: openai, api_key: sk-upstream, api_base: "http://127.0.0.1:{upstream}/v1"}}
"""
MODEL = "  - {{display_name: {alias}, provider: openai, model_name: {model}, provider_key: chat}}\n"
API_KEY = '  - {{display_name: {name}, key_hash: {digest}, allowed_models: ["*"]}}\n'


class Grown(competitors.Competitor):
    """A gateway with so many aliases or caller keys."""

    file_bytes = 0

    def timed_start(self):
        """Starts it; seconds until its first right answer."""
        self.launch()
        self.await_answer(0.01)
        return time.monotonic() - self.began


def gateway(kind, size, manifest, rig, upstream):
    """Not started yet."""
    calls = {"chat": {"model": f"{alias(0) if kind == 'aliases' else competitors.ALIASES['chat']}"}}
    manifest = dataclasses.replace(manifest, name=f"gateway-{size}-{kind}", ready_seconds=READY_SECONDS, calls=calls,
                                   files={"aisix.yaml": manifest.files["aisix.yaml"]})
    one = Grown(manifest, rig, upstream)
    one.key = key(0) if kind == "keys" else competitors.KEY
    path = rig.file(f"{manifest.name}/resources.yaml", text(kind, size, upstream))
    one.file_bytes = os.path.getsize(path)
    return one


def text(kind, size, upstream):
    aliases = [alias(number) for number in range(size)] if kind == "aliases" else [competitors.ALIASES["chat"]]
    keys = [key(number) for number in range(size)] if kind == "keys" else [competitors.KEY]
    model = competitors.MODELS["chat"]
    parts = [HEAD.format(upstream=upstream), "models:\n"]
    parts += [MODEL.format(alias=name, model=model) for name in aliases]
    parts.append("api_keys:\n")
    parts += [API_KEY.format(name=f"caller-{number:07}", digest=hashlib.sha256(plain.encode()).hexdigest())
              for number, plain in enumerate(keys)]
    return "".join(parts)


def alias(number):
    return f"load-chat-{number:07}"


def key(number):
    return f"sk-load-{number:07}"


def settled(process):
    """Resident bytes once they stand still."""
    deadline = time.monotonic() + LONGEST
    seen = [process.memory()]
    while time.monotonic() < deadline:
        time.sleep(1)
        seen.append(process.memory())
        last = seen[-WHILE:]
        if len(last) == WHILE and max(last) - min(last) <= STILL * max(last):
            break
    return seen[-1]
