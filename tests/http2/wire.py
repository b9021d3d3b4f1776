"""HTTP/2 frames (RFC 9113) on a socket, made by hand so that they can be wrong."""

import collections
import json
import select
import socket
import struct
import time

import hpack

(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST = range(1, 7)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).encode()
STREAM_BODY = BODY[:-1] + b', "stream": true}'
# Asks the simulated provider for about a megabyte.
LONG_BODY = STREAM_BODY.replace(b"hi", b"[[sim tokens=4000]]")
# Nothing takes this long unless something is wrong.
PATIENCE = 6

Frame = collections.namedtuple("Frame", "kind flags stream payload")
# What came of a stream or a connection: "answer" with a status and a body, "reset" or "goaway" with an error code,
# "closed" or "silence".
Outcome = collections.namedtuple("Outcome", "what code body", defaults=(None, b""))


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """A frame; `length` is what it says about its length, if not the truth."""
    length = len(payload) if length is None else length
    return struct.pack(">IBBI", length, kind, flags, stream)[1:] + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def fields(server, *more, method="POST", path="/v1/chat/completions"):
    """The fields of a sound chat request, and more."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", "gateway.test"), (":path", path)]
    return [*pseudo, ("authorization", f"Bearer {server.key}"), ("content-type", "application/json"), *more]


def head(stream, header_fields, end=False):
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, flags, stream, hpack.block(header_fields))


def chat(server, stream, *more, body=BODY):
    """A sound chat request."""
    return head(stream, fields(server, *more)) + frame(DATA, END_STREAM, stream, body)


def probe(stream):
    pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "gateway.test"), (":path", "/livez")]
    return head(stream, pseudo, end=True)


class Server:
    """The gateway under test."""

    def __init__(self, address, key, pid, folder):
        self.address, self.key, self.pid, self.folder = address, key, pid, folder

    def connect(self, *pairs, preface=PREFACE):
        return Connection(self.address, preface + settings((HEADER_TABLE_SIZE, 0), *pairs))

    def assert_alive(self):
        with self.connect() as other:
            other.write(probe(1))
            other.assert_answer(1, 200)

    def resident_mib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


class Connection:
    """A connection that acknowledges settings and nothing else by itself."""

    def __init__(self, address, opening=b""):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.ended = b"", False
        self.write(opening)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, octets):
        """False when the gateway takes no more."""
        try:
            self.socket.sendall(octets)
        except OSError:
            return False
        return True

    def flood(self, octets, times, reading=True):
        """Writes the same again and again, for seconds at most. The number of times it went out whole."""
        deadline = time.monotonic() + 2
        for count in range(times):
            if reading and count % 64 == 0:
                self.take_what_is_there()
            if self.ended or time.monotonic() > deadline or not self.write(octets):
                return count
        return times

    def take_what_is_there(self):
        while not self.ended and select.select([self.socket], [], [], 0)[0]:
            self.fill()

    def fill(self):
        try:
            read = self.socket.recv(1 << 16)
        except ConnectionError:
            read = b""
        self.received += read
        self.ended = self.ended or not read

    def read(self, deadline=None):
        """The next frame; None at the end of the connection or of all patience."""
        deadline = deadline or time.monotonic() + PATIENCE
        while True:
            length = int.from_bytes(self.received[:3], "big")
            if len(self.received) >= 9 + length:
                kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
                payload, self.received = self.received[9:9 + length], self.received[9 + length:]
                break
            left = deadline - time.monotonic()
            if self.ended or left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            self.fill()
        if kind == SETTINGS and not flags & ACK:
            self.write(frame(SETTINGS, ACK))
        return Frame(kind, flags, stream & 0x7FFFFFFF, payload)

    def outcome(self, stream=None, patience=PATIENCE):
        """What comes of a stream, or of the connection as a whole."""
        status, body, deadline = None, b"", time.monotonic() + patience
        while (seen := self.read(deadline)) is not None:
            mine = stream is not None and seen.stream == stream
            if seen.kind == GOAWAY and (code := int.from_bytes(seen.payload[4:8], "big")) != NO_ERROR:
                return Outcome("goaway", code)
            if seen.kind == RST_STREAM and mine:
                return Outcome("reset", int.from_bytes(seen.payload, "big"))
            if seen.kind == HEADERS and mine and status is None:
                status = hpack.status(seen.payload)
            if seen.kind == DATA and mine:
                body += seen.payload
            if mine and status and seen.flags & END_STREAM:
                return Outcome("answer", status, body)
        return Outcome("closed" if self.ended else "silence")

    def assert_answer(self, stream, *statuses):
        seen = self.outcome(stream)
        assert seen.what == "answer" and seen.code in statuses, f"{statuses} expected, {brief(seen)} came"
        return seen.body

    def assert_goaway(self, *codes):
        """The connection ends with one of these errors."""
        seen = self.outcome()
        assert seen.what == "goaway" and seen.code in codes, f"GOAWAY{codes} expected, {brief(seen)} came"
        assert self.outcome().what == "closed", "the connection stayed open after GOAWAY"

    def assert_refused(self, stream, *codes):
        """The stream ends with one of these errors or an answer of 4xx; the connection may go on or end with it."""
        seen = self.outcome(stream)
        answered = seen.what == "answer" and 400 <= seen.code < 500
        refused = seen.what in ("reset", "goaway") and seen.code in codes
        assert answered or refused, f"a refusal {codes} expected, {brief(seen)} came"
        return seen

    def assert_reset(self, stream, *codes):
        """The stream ends with one of these errors, and the connection serves the next one."""
        seen = self.outcome(stream)
        assert seen.what == "reset" and seen.code in codes, f"RST_STREAM{codes} expected, {brief(seen)} came"
        self.assert_serves(stream + 2)

    def assert_serves(self, stream):
        """A new stream on this connection is answered."""
        self.write(probe(stream))
        self.assert_answer(stream, 200)


def brief(seen):
    return f"{seen.what} {'' if seen.code is None else seen.code} {seen.body[:100]!r}"
