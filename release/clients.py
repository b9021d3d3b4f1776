"""Callers of the gateway over HTTP/1.1 and HTTP/2, as small as training needs them.

Both have `ask(path, headers, body)`, which waits for the whole answer: its status and its body. What they read they
do not doubt; whether answers are right is for the tests to say.
"""

import asyncio


class Http1:
    """One kept connection, one request after the other."""

    ALPN = "http/1.1"

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port, tls):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        return cls(reader, writer)

    async def ask(self, path, headers, body):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        return int(head.split(b" ", 2)[1]), await self.body(head)

    async def body(self, head):
        if b"transfer-encoding: chunked" in head:
            return b"".join([chunk async for chunk in self.chunks()])
        _, _, length = head.partition(b"content-length: ")
        return await self.reader.readexactly(int(length.split(b"\r\n", 1)[0]))

    async def chunks(self):
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    async def close(self):
        self.writer.close()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())], timeout=2)


class Http2:
    """One connection, one stream after the other (RFC 9113). The windows are opened once and for all."""

    ALPN = "h2"

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.stream = -1

    @classmethod
    async def connect(cls, port, tls):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        # SETTINGS_INITIAL_WINDOW_SIZE (4), and as much for the connection.
        writer.write(frame(SETTINGS, 0, 0, b"\x00\x04\x7f\xff\xff\xff"))
        writer.write(frame(WINDOW_UPDATE, 0, 0, (2**31 - 1 - 65535).to_bytes(4, "big")))
        return cls(reader, writer)

    async def ask(self, path, headers, body):
        self.stream += 2
        pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        fields = pseudo + [(name.lower(), value) for name, value in headers]
        block = b"".join(literal(name, value) for name, value in fields)
        self.writer.write(frame(HEADERS, END_HEADERS, self.stream, block))
        for start in range(0, len(body), MAX_FRAME):
            last = END_STREAM if start + MAX_FRAME >= len(body) else 0
            self.writer.write(frame(DATA, last, self.stream, body[start:start + MAX_FRAME]))
        await self.writer.drain()
        return await self.answer()

    async def answer(self):
        """The status is left alone, it would take a table of HPACK to read; the body tells as well."""
        body = []
        while True:
            kind, flags, stream, payload = await self.frame()
            if kind == SETTINGS and not flags & ACK:
                self.writer.write(frame(SETTINGS, ACK, 0, b""))
            elif kind == PING and not flags & ACK:
                self.writer.write(frame(PING, ACK, 0, payload))
            elif kind in (RST_STREAM, GOAWAY):
                raise ConnectionError(f"frame {kind}: {payload!r}")
            elif stream == self.stream and kind == DATA:
                body.append(payload)
            if stream == self.stream and flags & END_STREAM and kind in (DATA, HEADERS):
                return None, b"".join(body)

    async def frame(self):
        head = await self.reader.readexactly(9)
        payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
        return head[3], head[4], int.from_bytes(head[5:], "big") & (2**31 - 1), payload

    async def close(self):
        self.writer.close()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())], timeout=2)


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field without an index and without Huffman's code (RFC 7541, 6.2.2)."""
    return b"\x00" + text(name) + text(value)


def text(value):
    value = value.encode()
    if len(value) >= 127:
        raise ValueError("a longer text needs a second byte of length")
    return bytes([len(value)]) + value


DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# What a peer takes that has said nothing else.
MAX_FRAME = 16384
