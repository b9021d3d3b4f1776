"""Much that costs the sender nothing. While it lasts others are served, and it leaves no memory behind."""

import struct
import time

import hpack
from wire import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, LONG_BODY, MAX_FRAME, PADDED, PING,
                  PRIORITY, PROTOCOL_ERROR, chat, fields, frame, head, reset, settings, window_update)

# More than any of these may leave behind, and more than measuring it varies.
ALLOWED_MIB = 64


def flooded(flood, is_fatal=None):
    """Runs a flood on a connection of its own. Others are served at once during it and after it.

    Where the flood has to end the connection, `is_fatal` is a reason to say so."""
    def case(server):
        before = server.resident_mib()
        with server.connect() as connection:
            flood(server, connection)
            began = time.monotonic()
            server.assert_alive()
            took = time.monotonic() - began
            assert took < 2, f"others waited for {took:.1f} s"
            grown = server.resident_mib() - before
            assert grown < ALLOWED_MIB, f"memory grew by {grown:.0f} MiB"
            if is_fatal:
                seen = connection.outcome(patience=1)
                assert seen.what in ("goaway", "closed"), f"{is_fatal} did not end the connection"
    return case


def continuations(server, connection):
    """CVE-2024-27316: a header block that never ends."""
    connection.write(frame(HEADERS, 0, 1, hpack.block(fields(server))))
    connection.flood(frame(CONTINUATION, 0, 1, hpack.block([("x-a", "b" * 8000)])), 10_000)


def empty_continuations(server, connection):
    connection.write(frame(HEADERS, 0, 1, hpack.block(fields(server))))
    connection.flood(frame(CONTINUATION, 0, 1) * 100, 1000)


def rapid_resets(server, connection):
    """CVE-2023-44487: requests that are cancelled as soon as they are made."""
    for stream in range(1, 40_001, 2):
        if not connection.write(chat(server, stream) + reset(stream)):
            return
        if stream % 201 == 0:
            connection.take_what_is_there()
            if connection.ended:
                return


def resets_of_the_gateways_making(server, connection):
    """CVE-2025-8671: requests made so that the gateway has to reset them itself."""
    for stream in range(1, 40_001, 2):
        if not connection.write(head(stream, fields(server)) + window_update(stream, (1 << 31) - 1)):
            return
        if stream % 201 == 0:
            connection.take_what_is_there()
            if connection.ended:
                return


def unread(octets, times):
    """A flood by a sender that never reads what it makes the gateway say."""
    return lambda _server, connection: connection.flood(octets, times, reading=False)


def read(octets, times):
    return lambda _server, connection: connection.flood(octets, times)


def on_a_stream(octets, times):
    def flood(server, connection):
        connection.write(head(1, fields(server)))
        connection.flood(octets, times)
    return flood


def heads_without_bodies(server, connection):
    """As many open requests as are allowed, and all of them silent."""
    for stream in range(1, 201, 2):
        connection.write(head(stream, fields(server)))


def answers_nobody_reads(server, connection):
    connection.write(window_update(0, 1 << 30))
    for stream in range(1, 101, 2):
        connection.write(chat(server, stream, body=LONG_BODY))
    time.sleep(0.5)


def empty_fields(server, connection):
    """Fields without name and value cost two bytes each."""
    coded = hpack.block(fields(server)) + b"\x00\x00\x00" * 5000
    connection.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, coded))
    connection.assert_refused(1, PROTOCOL_ERROR)


PRIORITIES = b"".join(frame(PRIORITY, 0, 2 * n + 1, struct.pack(">IB", 0, n % 256)) for n in range(100))

CASES = [
    ("CONTINUATION without end", flooded(continuations, "a header block without end")),
    ("empty CONTINUATION without end", flooded(empty_continuations, "a header block without end")),
    ("requests that are reset at once", flooded(rapid_resets, "twenty thousand cancelled requests")),
    ("requests that have to be reset", flooded(resets_of_the_gateways_making, "twenty thousand bad requests")),
    ("SETTINGS", flooded(read(settings((MAX_FRAME, 16_384)) * 100, 1000))),
    ("SETTINGS nobody reads the answers to", flooded(unread(settings((MAX_FRAME, 16_384)) * 100, 3000))),
    ("PING", flooded(read(frame(PING, payload=b"x" * 8) * 100, 1000))),
    ("PING nobody reads the answers to", flooded(unread(frame(PING, payload=b"x" * 8) * 100, 3000))),
    ("PRIORITY", flooded(read(PRIORITIES, 1000))),
    ("WINDOW_UPDATE", flooded(read(window_update(0, 1) * 100, 1000))),
    ("WINDOW_UPDATE on a stream", flooded(on_a_stream(window_update(1, 1) * 100, 1000))),
    ("empty DATA", flooded(on_a_stream(frame(DATA, 0, 1) * 100, 1000))),
    ("DATA of one byte and much padding",
     flooded(on_a_stream(frame(DATA, PADDED, 1, b"\xfe " + b"\0" * 254) * 10, 1000))),
    ("unknown frames", flooded(read(frame(0xEE, 0, 0, b"?" * 1000) * 100, 300))),
    ("empty fields", flooded(empty_fields)),
    ("requests that never send their bodies", flooded(heads_without_bodies)),
    ("answers nobody reads", flooded(answers_nobody_reads)),
]
