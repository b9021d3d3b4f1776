"""Flow control: what the caller lets through and no more, and callers who let nothing through."""

import struct
import time

from wire import (DATA, END_STREAM, FLOW_CONTROL_ERROR, HEADERS, INITIAL_WINDOW, LONG_BODY, RST_STREAM, SETTINGS,
                  STREAM_BODY, chat, fields, frame, head, settings, window_update)


def data_until(connection, patience):
    """Bytes of DATA that arrive within so many seconds, and whether the stream ended."""
    received, deadline = b"", time.monotonic() + patience
    while (seen := connection.read(deadline)) is not None:
        if seen.kind == DATA:
            received += seen.payload
        if seen.kind == RST_STREAM or seen.flags & END_STREAM and seen.kind in (DATA, HEADERS):
            return received, True
    return received, False


def no_more_than_the_window(server):
    with server.connect((INITIAL_WINDOW, 100)) as connection:
        connection.write(chat(server, 1, body=STREAM_BODY))
        received, ended = data_until(connection, 0.5)
        assert len(received) == 100 and not ended, f"{len(received)} bytes through a window of 100"
        connection.write(window_update(1, 50))
        more, _ = data_until(connection, 0.5)
        assert len(more) == 50, f"{len(more)} bytes through a window of 50"
        connection.write(window_update(1, 1 << 20))
        rest, ended = data_until(connection, 5)
        assert ended and (received + more + rest).rstrip().endswith(b"data: [DONE]")


def a_window_of_nothing_opens(server):
    with server.connect((INITIAL_WINDOW, 0)) as connection:
        connection.write(chat(server, 1, body=STREAM_BODY))
        assert data_until(connection, 0.5) == (b"", False)
        connection.write(settings((INITIAL_WINDOW, 1 << 20)))
        received, ended = data_until(connection, 5)
        assert ended and received.rstrip().endswith(b"data: [DONE]")


def a_window_below_nothing(server):
    """A smaller initial window makes windows in use negative; they have to be filled up first."""
    with server.connect((INITIAL_WINDOW, 1000)) as connection:
        connection.write(chat(server, 1, body=LONG_BODY))
        received, _ = data_until(connection, 0.5)
        assert len(received) == 1000, len(received)
        connection.write(settings((INITIAL_WINDOW, 0)) + window_update(1, 1000))
        assert data_until(connection, 0.5) == (b"", False), "the window was nought"
        connection.write(window_update(1, 10))
        assert len(data_until(connection, 0.5)[0]) == 10


def the_window_of_the_connection(server):
    """Two streams share 65,535 bytes, however large their own windows are."""
    with server.connect((INITIAL_WINDOW, 1 << 24)) as connection:
        connection.write(chat(server, 1, body=LONG_BODY) + chat(server, 3, body=LONG_BODY))
        received, deadline = 0, time.monotonic() + 1
        while (seen := connection.read(deadline)) is not None:
            received += len(seen.payload) if seen.kind == DATA else 0
        assert received == 65_535, f"{received} bytes"


def a_window_that_never_opens(server):
    """A caller who takes nothing is given up, and others on the connection are not."""
    with server.connect((INITIAL_WINDOW, 0)) as connection:
        connection.write(chat(server, 1, body=STREAM_BODY))
        seen = connection.outcome(1)
        assert seen.what == "reset", f"{seen.what} {seen.code}"
        connection.write(settings((INITIAL_WINDOW, 1 << 16)))
        connection.assert_serves(3)


def more_than_the_gateway_allows(server):
    """DATA beyond the window the gateway has given."""
    with server.connect() as connection:
        window = 65_535
        while (seen := connection.read(time.monotonic() + 0.3)) is not None:
            pairs = struct.iter_unpack(">HI", seen.payload) if seen.kind == SETTINGS else []
            window = dict(pairs).get(INITIAL_WINDOW, window)
        connection.write(head(1, fields(server, path="/nowhere")))
        flood = frame(DATA, 0, 1, b"x" * 16_384)
        sent = 0
        while sent <= (1 << 26) and not connection.ended and connection.write(flood):
            sent += 16_384
            connection.take_what_is_there()
        seen = connection.outcome(1)
        assert seen.code == FLOW_CONTROL_ERROR or seen.what in ("answer", "closed", "reset"), f"{seen} of {window}"
        assert sent < (1 << 26), "64 MiB were taken for a request nobody reads"


CASES = [
    ("a window is kept to", no_more_than_the_window),
    ("a window of nothing opens", a_window_of_nothing_opens),
    ("a window below nothing", a_window_below_nothing),
    ("the window of the connection", the_window_of_the_connection),
    ("a window that never opens", a_window_that_never_opens),
    ("more than the gateway allows", more_than_the_gateway_allows),
]
