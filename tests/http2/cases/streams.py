"""The life of a stream: what may arrive when, and how many there may be."""

import struct

import hpack
from wire import (BODY, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
                  GOAWAY, HEADERS, PADDED, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, STREAM_CLOSED,
                  WITH_PRIORITY, chat, fields, frame, head, probe, reset, window_update)


def a_request_in_many_pieces(server):
    """HEADERS, three CONTINUATIONs, DATA byte by byte and empty, and padding."""
    coded = hpack.block(fields(server))
    cuts = [coded[at:at + 40] for at in range(0, len(coded), 40)]
    with server.connect() as connection:
        connection.write(frame(HEADERS, 0, 1, cuts[0]))
        for piece in cuts[1:-1]:
            connection.write(frame(CONTINUATION, 0, 1, piece))
        connection.write(frame(CONTINUATION, END_HEADERS, 1, cuts[-1]))
        for byte in BODY:
            connection.write(frame(DATA, 0, 1, bytes([byte])) + frame(DATA, PADDED, 1, b"\x03\0\0\0"))
        connection.write(frame(DATA, END_STREAM, 1))
        connection.assert_answer(1, 200)


def padding_and_priority_in_the_head(server):
    payload = b"\x05" + struct.pack(">IB", 0, 15) + hpack.block(fields(server)) + b"\0" * 5
    with server.connect() as connection:
        connection.write(frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, payload))
        connection.write(frame(DATA, END_STREAM, 1, BODY))
        connection.assert_answer(1, 200)


def trailers(server):
    with server.connect() as connection:
        connection.write(head(1, fields(server)) + frame(DATA, 0, 1, BODY))
        connection.write(head(1, [("x-checksum", "1")], end=True))
        connection.assert_answer(1, 200)


def many_at_once(server):
    """Forty streams whose heads come first and whose bodies come in turn."""
    with server.connect() as connection:
        streams = range(1, 81, 2)
        for stream in streams:
            connection.write(head(stream, fields(server)))
        for piece, flags in ((BODY[:10], 0), (BODY[10:], END_STREAM)):
            for stream in streams:
                connection.write(frame(DATA, flags, stream, piece))
        answered = set()
        while len(answered) < len(streams) and (seen := connection.read()):
            if seen.flags & END_STREAM and seen.kind in (DATA, HEADERS):
                answered.add(seen.stream)
        assert answered == set(streams), f"{len(answered)} of {len(streams)} answered"


def one_stream_too_many(server):
    """Streams beyond what the settings allow are refused, the others are served."""
    with server.connect() as connection:
        streams = range(1, 2001, 2)
        for stream in streams:
            connection.write(head(stream, fields(server)))
        refused, other = 0, 0
        while refused < 1 and (seen := connection.read()):
            refused += seen.kind == RST_STREAM and seen.payload == struct.pack(">I", REFUSED_STREAM)
            other += seen.kind == GOAWAY
        assert refused or other, "a thousand open streams were accepted"


def on_a_stream(octets, check, first=None):
    """Opens stream 1 with its body to come, writes this on it, and checks."""
    def case(server):
        with server.connect() as connection:
            connection.write(first(server) if first else head(1, fields(server)))
            connection.write(octets)
            check(connection)
    return case


def ends(*codes):
    return lambda connection: connection.assert_goaway(*codes)


def refuses(*codes):
    return lambda connection: connection.assert_refused(1, *codes)


def means_nothing(connection):
    """Trailers go nowhere: what they hold is refused, or of no effect."""
    seen = connection.outcome(1)
    served = seen.what == "answer" and seen.code == 200
    assert served or seen.code == PROTOCOL_ERROR, f"{seen.what} {seen.code}"


def after_its_end(octets):
    """Once a stream has ended from the caller's side, more of it is an error, of the stream or of the connection."""
    def case(server):
        with server.connect() as connection:
            connection.write(chat(server, 1) + octets)
            seen = connection.outcome(1)
            if seen.what == "answer":
                seen = connection.outcome(1, patience=1)
            allowed = (STREAM_CLOSED, PROTOCOL_ERROR)
            # An answer that was complete by then may stand alone; the frame is of a closed stream.
            fits = seen.what in ("goaway", "reset") and seen.code in allowed or seen.what in ("silence", "closed")
            assert fits, f"{seen.what} {seen.code}"
    return case


def a_cancelled_stream(server):
    """Frames that were under way when a stream was reset are passed over."""
    with server.connect() as connection:
        connection.write(head(1, fields(server)) + frame(DATA, 0, 1, BODY[:5]))
        connection.write(reset(1, CANCEL) + window_update(1, 5) + frame(PRIORITY, 0, 1, b"\0\0\0\0\0"))
        connection.assert_serves(3)


def an_unfinished_body(server):
    """408, and the connection lives on."""
    with server.connect() as connection:
        connection.write(head(1, fields(server)) + frame(DATA, 0, 1, BODY[:5]))
        connection.assert_answer(1, 408)
        connection.assert_serves(3)


def a_body_nobody_reads(server):
    """An answer before the body: the rest is not waited for."""
    with server.connect() as connection:
        connection.write(head(1, fields(server, path="/nowhere")) + frame(DATA, 0, 1, b"x" * 10_000))
        connection.assert_answer(1, 404)
        connection.assert_serves(3)


def a_stream_depending_on_itself(server):
    payload = struct.pack(">IB", 1, 15) + hpack.block(fields(server))
    with server.connect() as connection:
        connection.write(frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, payload) + frame(DATA, END_STREAM, 1, BODY))
        seen = connection.outcome(1)
        served = seen.what == "answer" and seen.code == 200
        assert served or seen.what in ("reset", "goaway") and seen.code == PROTOCOL_ERROR, seen


CASES = [
    ("a request in many pieces", a_request_in_many_pieces),
    ("padding and priority in the head", padding_and_priority_in_the_head),
    ("trailers", trailers),
    ("forty streams in turn", many_at_once),
    ("more streams than are allowed", one_stream_too_many),
    ("a cancelled stream", a_cancelled_stream),
    ("a stream that depends on itself", a_stream_depending_on_itself),
    ("an answer before the body", a_body_nobody_reads),
    ("a body that is never finished", an_unfinished_body),
    ("padding longer than its DATA", on_a_stream(frame(DATA, PADDED, 1, b"\x09xx"), ends(PROTOCOL_ERROR))),
    ("padding as long as its DATA", on_a_stream(frame(DATA, PADDED, 1, b"\x01"), ends(PROTOCOL_ERROR))),
    ("padding without a length", on_a_stream(frame(DATA, PADDED, 1), ends(PROTOCOL_ERROR, FRAME_SIZE_ERROR))),
    ("padding longer than its HEADERS",
     on_a_stream(frame(HEADERS, PADDED | END_HEADERS | END_STREAM, 3, b"\x09x"), ends(PROTOCOL_ERROR))),
    ("a priority that is cut off",
     on_a_stream(frame(HEADERS, WITH_PRIORITY | END_HEADERS, 3, b"\0\0"), ends(PROTOCOL_ERROR, FRAME_SIZE_ERROR))),
    ("trailers that do not end the stream",
     on_a_stream(head(1, [("x-a", "b")]), refuses(PROTOCOL_ERROR))),
    ("a pseudo field in trailers",
     on_a_stream(frame(DATA, 0, 1, BODY) + head(1, [(":path", "/nowhere")], end=True), means_nothing)),
    ("a window of nothing", on_a_stream(window_update(1, 0), refuses(PROTOCOL_ERROR))),
    ("a window that overflows", on_a_stream(window_update(1, (1 << 31) - 1), refuses(FLOW_CONTROL_ERROR))),
    ("PRIORITY of four bytes",
     on_a_stream(frame(PRIORITY, 0, 1, b"\0" * 4), refuses(FRAME_SIZE_ERROR, PROTOCOL_ERROR))),
    ("DATA after the end", after_its_end(frame(DATA, END_STREAM, 1, b"x"))),
    ("HEADERS after the end", after_its_end(probe(1))),
    ("CONTINUATION after the end", after_its_end(frame(CONTINUATION, END_HEADERS, 1, b"\x82"))),
]
