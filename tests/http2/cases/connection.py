"""The preface, and frames that belong to the connection as a whole."""

import struct
import time

from wire import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM,
                  FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, INITIAL_WINDOW, MAX_FRAME, NO_ERROR, PING,
                  PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED,
                  WINDOW_UPDATE, Connection, frame, head, probe, reset, settings, window_update)

LARGEST_WINDOW = (1 << 31) - 1

# What ends a connection, and with which error.
FATAL = [
    ("SETTINGS on a stream", frame(SETTINGS, 0, 1), {PROTOCOL_ERROR}),
    ("SETTINGS of five bytes", frame(SETTINGS, payload=b"x" * 5), {FRAME_SIZE_ERROR}),
    ("an acknowledgement with a payload", frame(SETTINGS, ACK, 0, b"x" * 6), {FRAME_SIZE_ERROR}),
    ("a window beyond 2^31 - 1", settings((INITIAL_WINDOW, 1 << 31)), {FLOW_CONTROL_ERROR}),
    ("frames allowed below 16,384 bytes", settings((MAX_FRAME, 16383)), {PROTOCOL_ERROR}),
    ("frames allowed beyond 2^24 - 1 bytes", settings((MAX_FRAME, 1 << 24)), {PROTOCOL_ERROR}),
    ("pushes neither on nor off", settings((ENABLE_PUSH, 2)), {PROTOCOL_ERROR}),
    ("PING on a stream", frame(PING, 0, 1, b"x" * 8), {PROTOCOL_ERROR}),
    ("PING of seven bytes", frame(PING, payload=b"x" * 7), {FRAME_SIZE_ERROR}),
    ("GOAWAY on a stream", frame(GOAWAY, 0, 1, b"\0" * 8), {PROTOCOL_ERROR}),
    ("GOAWAY of four bytes", frame(GOAWAY, payload=b"\0" * 4), {FRAME_SIZE_ERROR, PROTOCOL_ERROR}),
    ("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, payload=b"\0" * 3), {FRAME_SIZE_ERROR}),
    ("WINDOW_UPDATE of nothing", window_update(0, 0), {PROTOCOL_ERROR}),
    ("a window that overflows", window_update(0, LARGEST_WINDOW) * 2, {FLOW_CONTROL_ERROR}),
    ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x82"), {PROTOCOL_ERROR}),
    ("a frame of 16,385 bytes", frame(DATA, 0, 1, b"x" * 16385), {FRAME_SIZE_ERROR}),
    ("a frame that says 16 MiB", frame(HEADERS, END_HEADERS, 1, b"x" * 100, (1 << 24) - 1), {FRAME_SIZE_ERROR}),
    ("a PING that says 16 MiB", frame(PING, payload=b"x" * 8, length=(1 << 24) - 1), {FRAME_SIZE_ERROR}),
    ("DATA on stream 0", frame(DATA, END_STREAM, 0, b"x"), {PROTOCOL_ERROR}),
    ("DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), {PROTOCOL_ERROR, STREAM_CLOSED}),
    ("HEADERS on stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, b"\x82\x86\x84"), {PROTOCOL_ERROR}),
    ("HEADERS on an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, b"\x82\x86\x84"), {PROTOCOL_ERROR}),
    ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0" * 5), {PROTOCOL_ERROR}),
    ("RST_STREAM on stream 0", reset(0), {PROTOCOL_ERROR}),
    ("RST_STREAM on an idle stream", reset(1), {PROTOCOL_ERROR}),
    ("RST_STREAM of three bytes", frame(RST_STREAM, 0, 1, b"\0" * 3), {FRAME_SIZE_ERROR}),
    ("WINDOW_UPDATE on an idle stream", window_update(1, 1), {PROTOCOL_ERROR}),
    ("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, b"\x82"), {PROTOCOL_ERROR}),
    ("CONTINUATION on stream 0", frame(CONTINUATION, END_HEADERS, 0, b"\x82"), {PROTOCOL_ERROR}),
    ("PING between HEADERS and CONTINUATION",
     frame(HEADERS, 0, 1, b"\x82") + frame(PING, payload=b"x" * 8), {PROTOCOL_ERROR}),
    ("CONTINUATION of another stream",
     frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, END_HEADERS, 3, b"\x86"), {PROTOCOL_ERROR}),
    ("a second HEADERS before END_HEADERS",
     frame(HEADERS, 0, 1, b"\x82") + frame(HEADERS, END_HEADERS, 1, b"\x86"), {PROTOCOL_ERROR}),
    ("a field of index 0", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x80"), {COMPRESSION_ERROR}),
    ("a field beyond the tables", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\x40"), {COMPRESSION_ERROR}),
    ("a field that is cut off", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40\x7fabc"), {COMPRESSION_ERROR}),
    ("an endless integer", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 40), {COMPRESSION_ERROR}),
    ("a Huffman code of all ones",
     frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x84\xff\xff\xff\xff\x00"), {COMPRESSION_ERROR}),
    ("a table larger than allowed",
     frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\xff\xff\x07\x82"), {COMPRESSION_ERROR}),
]


def fatal(octets, codes):
    """PROTOCOL_ERROR will do where there is a code that says more."""
    codes = codes | {PROTOCOL_ERROR}

    def case(server):
        with server.connect() as connection:
            connection.write(octets)
            connection.assert_goaway(*codes)
    return case


def is_closed_by(server, opening):
    """Whatever is said to this, the connection ends, and soon."""
    with Connection(server.address, opening) as connection:
        deadline = time.monotonic() + 5
        while not connection.ended and time.monotonic() < deadline:
            connection.fill()
        assert connection.ended, "the connection stayed open"
        return connection.received


def a_wrong_end_of_the_preface(server):
    said = is_closed_by(server, PREFACE.replace(b"SM", b"XX") + settings())
    assert said.startswith(b"HTTP/1.1 4") or b"\x07" in said[3:4], said[:80]


def a_preface_and_silence(server):
    is_closed_by(server, PREFACE[:14])


def a_preface_without_settings(server):
    """RFC 9113 wants the connection to end. The library takes the settings for the defaults, which harms nobody."""
    with Connection(server.address, PREFACE + probe(1)) as connection:
        seen = connection.outcome(1)
        assert seen.what in ("goaway", "closed", "answer"), f"{seen.what} {seen.code}"


def the_preface_twice(server):
    with server.connect() as connection:
        connection.write(PREFACE)
        connection.assert_goaway(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


def http_1_on_the_connection(server):
    with server.connect() as connection:
        connection.write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        connection.assert_goaway(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


def a_ping(server):
    with server.connect() as connection:
        connection.write(frame(PING, payload=b"12345678"))
        seen = connection.read()
        while seen and seen.kind != PING:
            seen = connection.read()
        assert seen and seen.flags & ACK and seen.payload == b"12345678", seen


def settings_are_acknowledged(server):
    with server.connect() as connection:
        kinds = set()
        while (SETTINGS, True) not in kinds and (seen := connection.read()):
            kinds.add((seen.kind, bool(seen.flags & ACK)))
        assert {(SETTINGS, True), (SETTINGS, False)} <= kinds, kinds


def what_is_unknown(server):
    """Unknown frames, flags, settings and pings nobody asked for are passed over."""
    with server.connect((0xFF, 1)) as connection:
        connection.write(frame(0xEE, 0xFF, 0, b"?" * 100) + frame(0xEE, 0xFF, 7, b"?"))
        connection.write(frame(PING, ACK, 0, b"x" * 8) + frame(PING, 0xFE, 0, b"x" * 8))
        connection.assert_serves(1)


def priorities(server):
    """They are obsolete; whatever they say changes nothing."""
    with server.connect() as connection:
        for stream, parent in ((1, 3), (3, 5), (5, 7), (99, 1)):
            connection.write(frame(PRIORITY, 0, stream, struct.pack(">IB", parent, 255)))
        connection.write(frame(0x10, 0, 0, b"\0\0\0\1u=0"))
        connection.assert_serves(101)


def a_farewell(server):
    """After the caller's GOAWAY what runs is finished."""
    with server.connect() as connection:
        connection.write(probe(1) + frame(GOAWAY, payload=struct.pack(">II", 0, NO_ERROR)))
        connection.assert_answer(1, 200)


def idleness(server):
    """A connection without streams is told to go and closed."""
    with server.connect() as connection:
        connection.assert_serves(1)
        began = time.monotonic()
        assert connection.outcome(patience=8).what == "closed", "an idle connection stayed open"
        assert time.monotonic() - began > 1, "closed before its time"


def a_lower_stream(server):
    with server.connect() as connection:
        connection.assert_serves(5)
        connection.write(probe(3))
        connection.assert_goaway(PROTOCOL_ERROR, STREAM_CLOSED)


def half_a_frame(server):
    """A frame that is never completed does not hold the connection for ever."""
    with server.connect() as connection:
        connection.write(head(1, [(":method", "GET")])[:12])
        assert connection.outcome(patience=8).what in ("closed", "goaway"), "the connection stayed open"


CASES = [
    ("settings are exchanged and acknowledged", settings_are_acknowledged),
    ("a PING is answered", a_ping),
    ("what is unknown is passed over", what_is_unknown),
    ("priorities are passed over", priorities),
    ("the caller says goodbye", a_farewell),
    ("a preface with a wrong end", a_wrong_end_of_the_preface),
    ("half a preface", a_preface_and_silence),
    ("a preface without SETTINGS", a_preface_without_settings),
    ("a preface twice", the_preface_twice),
    ("HTTP/1.1 on an HTTP/2 connection", http_1_on_the_connection),
    ("a stream below the last one", a_lower_stream),
    *((name, fatal(octets, codes)) for name, octets, codes in FATAL),
    ("half a frame", half_a_frame),
    ("an idle connection", idleness),
]
