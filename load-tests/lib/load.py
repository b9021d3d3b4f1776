"""One window of load on one competitor, and what it cost."""

import json
import os
import subprocess

import competitors
import rig as machine

HERE = os.path.dirname(os.path.abspath(__file__))
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
# Text with a quote every so often: escapes are what makes a parser of JSON work.
SENTENCE = 'The quick brown fox said "jump" and jumped over the lazy dog, twice, to be on the safe side.\n'


class Failed(Exception):
    """A window that does not count."""


def body(model, size, messages=False):
    """A request whose JSON has about `size` bytes."""
    fields = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}
    if not messages:
        fields["temperature"] = 0.7
    missing = max(0, size - len(json.dumps(fields)))
    per_sentence = len(json.dumps(SENTENCE)) - 2
    fields["messages"][0]["content"] = "Hello " + SENTENCE * (missing // per_sentence)
    return json.dumps(fields).encode()


class Case:
    """What is sent, and how."""

    def __init__(self, name, title, baseline=competitors.BASELINE):
        self.name, self.title, self.baseline = name, title, baseline

    def window(self, rig, competitor, seconds):
        """Puts load on one competitor; the numbers of this window."""
        process, port = competitor
        self.check(port)
        before = process.cpu_seconds() if process else None
        numbers = self.load(rig, port, seconds)
        if process:
            if process.child.poll() is not None:
                raise Failed("the proxy has died")
            numbers["cpu_us"] = (process.cpu_seconds() - before) * 1e6 / numbers["count"]
        return numbers

    def check(self, port):
        """Looks at one answer before the window."""


class Whole(Case):
    """Answers in one piece, from wrk. Counted per request."""

    unit = "request"

    def __init__(self, name, title, connections, size, messages=False):
        super().__init__(name, title)
        self.connections, self.messages = connections, messages
        self.model = competitors.CLAUDE_ALIAS if messages else competitors.CHAT_ALIAS
        self.path = MESSAGES if messages else CHAT
        self.body = body(self.model, size, messages)

    def check(self, port):
        status, answer = machine.post(port, self.path, self.body, competitors.KEY)
        if status != 200 or answer.get("model") != self.model or not answer.get("usage"):
            raise Failed(f"status {status}: {str(answer)[:200]}")

    def load(self, rig, port, seconds):
        env = {"LOAD_PATH": self.path, "LOAD_KEY": competitors.KEY,
               "LOAD_BODY": rig.file(f"{self.name}.json", self.body)}
        script = os.path.join(HERE, "..", "wrk", "post.lua")
        out = run(["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "5s", "-s", script,
                   f"http://127.0.0.1:{port}"], env, seconds + 30)
        seen = json.loads(out.strip().splitlines()[-1])
        errors = {kind: seen[kind] for kind in ("connect", "read", "write", "status", "timeout") if seen[kind]}
        if errors or not seen["requests"]:
            raise Failed(f"errors {errors} in {seen['requests']} requests")
        return {"count": seen["requests"], "per_second": seen["requests"] / seen["seconds"],
                "p50_us": seen["p50_us"], "p99_us": seen["p99_us"]}


class Stream(Case):
    """Event streams, from sse-load. Counted per content frame."""

    unit = "frame"

    def __init__(self, name, title, streams, tps, tokens=None, messages=False):
        super().__init__(name, title)
        self.streams, self.tps, self.tokens, self.messages = streams, tps, tokens, messages

    def load(self, rig, port, seconds):
        model = competitors.CLAUDE_ALIAS if self.messages else competitors.CHAT_ALIAS
        command = [competitors.program("sse-load"), "--target", f"127.0.0.1:{port}", "--model", model,
                   "--key", competitors.KEY, "--streams", str(self.streams), "--tps", str(self.tps),
                   "--dialect", "anthropic" if self.messages else "openai",
                   "--tokens", str(self.tokens or max(2, int(self.tps * seconds)))]
        if self.tokens:
            command += ["--repeat", str(seconds)]
        seen = json.loads(run(command, {}, seconds + 130, sound_only=False))
        if not seen["sound"]:
            raise Failed(f"faults {seen['faults']} in {seen['streams']} streams")
        numbers = {"count": seen["frames"], "per_second": seen["frames"] / seen["seconds"],
                   "streams": seen["streams"], "first_p50_us": seen["first_us"]["p50"]}
        if not self.tokens:
            for kind in ("gap", "delay"):
                numbers[f"{kind}_p50_us"] = seen[f"{kind}_us"]["p50"]
                numbers[f"{kind}_p99_us"] = seen[f"{kind}_us"]["p99"]
        return numbers


def run(command, env, seconds, sound_only=True):
    """Runs a load generator on the load's core; what it printed."""
    try:
        done = subprocess.run(["taskset", "-c", machine.LOAD_CORE, *command], env={**os.environ, **env},
                              capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} did not end") from error
    if not done.stdout.strip() or (sound_only and done.returncode):
        raise Failed(f"{command[0]}: {done.stderr.strip()[:300]}")
    return done.stdout


CASES = [
    Whole("plain32", "small chat, 32 connections", 32, 0),
    Whole("plain1", "small chat, 1 connection", 1, 0),
    Whole("body16k", "16 KiB chat, 32 connections", 32, 16 * 1024),
    Whole("body256k", "256 KiB chat, 16 connections", 16, 256 * 1024),
    Whole("messages32", "small Anthropic messages, 32 connections", 32, 0, messages=True),
    Stream("sse100", "100 streams at 50 frames/s", 100, 50),
    Stream("sse1000", "1,000 streams at 18 frames/s", 1000, 18),
    Stream("sse100a", "100 Anthropic streams at 50 frames/s", 100, 50, messages=True),
    Stream("sseflood", "32 streams as fast as they come", 32, 0, tokens=2000),
]
