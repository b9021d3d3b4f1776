"""What is sent: the table of cases, one row each."""

import dataclasses
import json

# Text with a quote every so often: escapes are what makes a parser of JSON work.
SENTENCE = 'The quick brown fox said "jump" and jumped over the lazy dog, twice, to be on the safe side.\n'
KIB = 1024


@dataclasses.dataclass(frozen=True)
class Whole:
    """Answers in one piece. Counted per request."""

    name: str
    title: str
    connections: int
    kib: int = 0
    # The dialect callers speak, and the alias they ask for.
    dialect: str = "openai"
    alias: str = "chat"
    # The feature it is about; only competitors whose manifest says they can take part.
    needs: str = None
    # Another case, whose cost this one's is compared with for each competitor.
    beside: str = None
    unit = "request"

    def lowered(self, manifest):
        """The same with no more connections than a competitor takes."""
        return dataclasses.replace(self, connections=min(self.connections, manifest.most_connections))

    def body(self, model):
        """A request whose JSON has about `kib` KiB."""
        fields = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}
        if self.dialect == "openai":
            fields["temperature"] = 0.7
        missing = max(0, self.kib * KIB - len(json.dumps(fields)))
        per_sentence = len(json.dumps(SENTENCE)) - 2
        fields["messages"][0]["content"] = "Hello " + SENTENCE * (missing // per_sentence)
        return json.dumps(fields).encode()


@dataclasses.dataclass(frozen=True)
class Stream:
    """Event streams. Counted per content frame."""

    name: str
    title: str
    streams: int
    # Frames per second of each stream; 0 is as fast as they come.
    tps: int
    # Frames of a stream, after which another follows; None = as many as outlast the window.
    tokens: int = None
    dialect: str = "openai"
    alias: str = "chat"
    needs: str = None
    beside: str = None
    unit = "frame"

    def lowered(self, manifest):
        """The same with no more streams than a competitor takes."""
        return dataclasses.replace(self, streams=min(self.streams, manifest.most_streams))


ANTHROPIC = {"dialect": "anthropic", "alias": "claude"}
# The caller's dialect is not the provider's: who only forwards takes no part.
TO_ANTHROPIC = {"dialect": "openai", "alias": "claude", "needs": "translation"}
TO_OPENAI = {"dialect": "anthropic", "alias": "chat", "needs": "translation"}

CASES = [
    Whole("chat1", "small chat, 1 connection", 1),
    Whole("chat32", "small chat, 32 connections", 32),
    Whole("chat256", "small chat, 256 connections", 256),
    Whole("chat1-16k", "16 KiB chat, 1 connection", 1, 16),
    Whole("chat32-16k", "16 KiB chat, 32 connections", 32, 16),
    Whole("chat256-16k", "16 KiB chat, 256 connections", 256, 16),
    Whole("chat1-256k", "256 KiB chat, 1 connection", 1, 256),
    Whole("chat32-256k", "256 KiB chat, 32 connections", 32, 256),
    Whole("chat256-256k", "256 KiB chat, 256 connections", 256, 256),
    Whole("messages1", "small Anthropic messages, 1 connection", 1, **ANTHROPIC, beside="chat1"),
    Whole("messages32", "small Anthropic messages, 32 connections", 32, **ANTHROPIC, beside="chat32"),
    Whole("messages256", "small Anthropic messages, 256 connections", 256, **ANTHROPIC, beside="chat256"),
    Whole("messages1-16k", "16 KiB Anthropic messages, 1 connection", 1, 16, **ANTHROPIC),
    Whole("messages32-16k", "16 KiB Anthropic messages, 32 connections", 32, 16, **ANTHROPIC),
    Whole("messages256-16k", "16 KiB Anthropic messages, 256 connections", 256, 16, **ANTHROPIC),
    Whole("messages1-256k", "256 KiB Anthropic messages, 1 connection", 1, 256, **ANTHROPIC),
    Whole("messages32-256k", "256 KiB Anthropic messages, 32 connections", 32, 256, **ANTHROPIC),
    Whole("messages256-256k", "256 KiB Anthropic messages, 256 connections", 256, 256, **ANTHROPIC),
    Stream("stream1", "1 stream at 200 frames/s", 1, 200, tokens=40),
    Stream("stream200", "200 streams at 42 frames/s", 200, 42),
    Stream("stream1000", "1,000 streams at 18 frames/s", 1000, 18),
    Stream("flood", "32 streams as fast as they come", 32, 0, tokens=2000),
    Stream("messages-stream1", "1 Anthropic stream at 200 frames/s", 1, 200, tokens=40, **ANTHROPIC),
    Stream("messages-stream200", "200 Anthropic streams at 42 frames/s", 200, 42, **ANTHROPIC, beside="stream200"),
    Stream("messages-stream1000", "1,000 Anthropic streams at 18 frames/s", 1000, 18, **ANTHROPIC,
           beside="stream1000"),
    Stream("messages-flood", "32 Anthropic streams as fast as they come", 32, 0, tokens=2000, **ANTHROPIC,
           beside="flood"),
    Whole("to-anthropic32", "small chat to an Anthropic provider, 32 connections", 32, **TO_ANTHROPIC,
          beside="chat32"),
    Whole("to-anthropic32-16k", "16 KiB chat to an Anthropic provider, 32 connections", 32, 16, **TO_ANTHROPIC,
          beside="chat32-16k"),
    Whole("to-openai32", "small Anthropic messages to an OpenAI provider, 32 connections", 32, **TO_OPENAI,
          beside="messages32"),
    Whole("to-openai32-16k", "16 KiB Anthropic messages to an OpenAI provider, 32 connections", 32, 16, **TO_OPENAI,
          beside="messages32-16k"),
    Stream("to-anthropic-stream200", "200 chat streams of an Anthropic provider at 42 frames/s", 200, 42,
           **TO_ANTHROPIC, beside="stream200"),
    Stream("to-openai-stream200", "200 Anthropic streams of an OpenAI provider at 42 frames/s", 200, 42,
           **TO_OPENAI, beside="messages-stream200"),
]
BY_NAME = {case.name: case for case in CASES}
