"""Requests whose fields are wrong (RFC 9113, 8.2 and 8.3): refused, and never passed on."""

import hpack
from wire import (BODY, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS,
                  PROTOCOL_ERROR, fields, frame, head, probe)

PSEUDO = [(":method", "POST"), (":scheme", "http"), (":authority", "gateway.test"), (":path", "/v1/chat/completions")]


def without(name):
    return [field for field in PSEUDO if field[0] != name]


def instead(name, value):
    return [(field, value if field == name else old) for field, old in PSEUDO]


def refused(*more, pseudo=None, body=BODY):
    """A request with these fields is refused."""
    def case(server):
        header_fields = [*(PSEUDO if pseudo is None else pseudo), *fields(server)[len(PSEUDO):], *more]
        with server.connect() as connection:
            connection.write(head(1, header_fields) + frame(DATA, END_STREAM, 1, body))
            connection.assert_refused(1, PROTOCOL_ERROR)
    return case


def served(*more, pseudo=None):
    def case(server):
        header_fields = [*(PSEUDO if pseudo is None else pseudo), *fields(server)[len(PSEUDO):], *more]
        with server.connect() as connection:
            connection.write(head(1, header_fields) + frame(DATA, END_STREAM, 1, BODY))
            connection.assert_answer(1, 200)
    return case


def length(value, body=BODY):
    return refused(("content-length", value), body=body)


def one_bad_stream(server):
    with server.connect() as connection:
        connection.write(head(1, fields(server, ("connection", "close"))) + frame(DATA, END_STREAM, 1, BODY))
        connection.assert_reset(1, PROTOCOL_ERROR)


def no_body_for_its_length(server):
    with server.connect() as connection:
        connection.write(head(1, fields(server, ("content-length", "10")), end=True))
        connection.assert_refused(1, PROTOCOL_ERROR)


def a_large_header_list(server):
    """65 KiB of fields: 431, or the stream is refused."""
    with server.connect() as connection:
        coded = hpack.block(fields(server, *((f"x-{n}", "v" * 1000) for n in range(80))))
        pieces = [coded[at:at + 16_000] for at in range(0, len(coded), 16_000)]
        connection.write(frame(HEADERS, END_STREAM, 1, pieces[0]))
        for piece in pieces[1:-1]:
            connection.write(frame(CONTINUATION, 0, 1, piece))
        connection.write(frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
        connection.assert_refused(1, PROTOCOL_ERROR, ENHANCE_YOUR_CALM)


def a_large_header_list_out_of_a_small_one(server):
    """One field of 4,000 bytes in the table, named 15,000 times: sixty megabytes in fifteen kilobytes."""
    with server.connect() as connection:
        bomb = hpack.indexed("x-bomb", "b" * 3900) + b"\xbe" * 12_000
        connection.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, hpack.block(fields(server)) + bomb))
        connection.assert_refused(1, PROTOCOL_ERROR, ENHANCE_YOUR_CALM, COMPRESSION_ERROR)


def malformed_ones_for_ever(server):
    """A caller that sends nothing but malformed requests is sent away in the end."""
    with server.connect() as connection:
        bad = hpack.block([*PSEUDO, ("connection", "close")])
        for stream in range(1, 20_001, 2):
            if not connection.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, bad)):
                break
            if stream % 101 == 0:
                connection.take_what_is_there()
        seen = connection.outcome()
        assert seen.what in ("goaway", "closed"), seen


def cookies_in_crumbs(server):
    with server.connect() as connection:
        connection.write(head(1, fields(server, ("cookie", "a=b"), ("cookie", "c=d"))))
        connection.write(frame(DATA, END_STREAM, 1, BODY))
        connection.assert_answer(1, 200)


def a_get_with_a_body(server):
    with server.connect() as connection:
        connection.write(head(1, fields(server, method="GET", path="/livez")) + frame(DATA, END_STREAM, 1, BODY))
        connection.assert_answer(1, 200)
        connection.write(probe(3))
        connection.assert_answer(3, 200)


CASES = [
    ("one bad stream leaves the connection alone", one_bad_stream),
    ("a capital letter in a name", refused(("X-a", "b"))),
    ("a space in a name", refused(("x a", "b"))),
    ("a colon in a name", refused(("x:a", "b"))),
    ("a line end in a name", refused(("x-a\r\nx-b", "c"))),
    ("a NUL in a name", refused(("x\0a", "b"))),
    ("an empty name", refused(("", "b"))),
    ("a byte beyond ASCII in a name", refused((b"x-\xe9", "b"))),
    ("a NUL in a value", refused(("x-a", "b\0c"))),
    ("a CR in a value", refused(("x-a", "b\rc"))),
    ("a LF in a value", refused(("x-a", "b\nc"))),
    ("a field hidden behind a line end", refused(("x-a", "b\r\nauthorization: Bearer sk-other"))),
    ("a request hidden behind an empty line", refused(("x-a", "b\r\n\r\nGET /livez HTTP/1.1\r\nhost: a\r\n\r\n"))),
    ("connection", refused(("connection", "close"))),
    ("keep-alive", refused(("keep-alive", "timeout=5"))),
    ("proxy-connection", refused(("proxy-connection", "keep-alive"))),
    ("transfer-encoding", refused(("transfer-encoding", "chunked"))),
    ("upgrade", refused(("upgrade", "websocket"))),
    ("te other than trailers", refused(("te", "gzip"))),
    ("te: trailers", served(("te", "trailers"))),
    ("no method", refused(pseudo=without(":method"))),
    ("no scheme", refused(pseudo=without(":scheme"))),
    ("no path", refused(pseudo=without(":path"))),
    ("an empty path", refused(pseudo=instead(":path", ""))),
    ("a path without a slash", refused(pseudo=instead(":path", "v1/chat/completions"))),
    ("an asterisk for a path", refused(pseudo=instead(":path", "*"))),
    ("a space in the path", refused(pseudo=instead(":path", "/v1/chat/completions x"))),
    ("a line end in the path", refused(pseudo=instead(":path", "/v1/chat/completions HTTP/1.1\r\nx: y"))),
    ("a NUL in the path", refused(pseudo=instead(":path", "/v1/chat/completions\0"))),
    ("a space in the method", refused(pseudo=instead(":method", "POST /"))),
    ("an empty method", refused(pseudo=instead(":method", ""))),
    ("a method nobody knows", refused(pseudo=instead(":method", "BREW"))),
    ("a tunnel", refused(pseudo=[(":method", "CONNECT"), (":authority", "a.test:443")])),
    ("a tunnel with a protocol", refused(pseudo=[*instead(":method", "CONNECT"), (":protocol", "websocket")])),
    ("an unknown pseudo field", refused(pseudo=[*PSEUDO, (":x", "y")])),
    ("a pseudo field of answers", refused(pseudo=[*PSEUDO, (":status", "200")])),
    ("a pseudo field twice", refused(pseudo=[*PSEUDO, (":path", "/livez")])),
    ("a pseudo field behind a field", refused(pseudo=[("x-a", "b"), *PSEUDO])),
    ("a user in the authority", refused(pseudo=instead(":authority", "user@gateway.test"))),
    ("a space in the authority", refused(pseudo=instead(":authority", "a b"))),
    ("a Host that is not the authority", refused(("host", "other.test"))),
    ("a Host that is the authority", served(("host", "gateway.test"))),
    ("a Host in the place of an authority", served(("host", "gateway.test"), pseudo=without(":authority"))),
    ("two Hosts", refused(("host", "gateway.test"), ("host", "gateway.test"))),
    ("more body than its length", length("5")),
    ("less body than its length", length("500")),
    ("no body for its length", no_body_for_its_length),
    ("a length of letters", length("many")),
    ("a length with a sign", length(f"+{len(BODY)}")),
    ("a list of lengths", length(f"{len(BODY)}, {len(BODY)}")),
    ("two lengths", refused(("content-length", str(len(BODY))), ("content-length", "5"))),
    ("its length", served(("content-length", str(len(BODY))))),
    ("two credentials", refused(("authorization", "Bearer sk-other"))),
    ("cookies in crumbs", cookies_in_crumbs),
    ("a GET with a body", a_get_with_a_body),
    ("a header list of 80 KiB", a_large_header_list),
    ("a header list of 50 MB out of 16 KiB", a_large_header_list_out_of_a_small_one),
    ("malformed requests for ever", malformed_ones_for_ever),
]
