"""As much of HPACK (RFC 7541) as the cases need: writing fields plainly, and reading a status."""

# Static table entries for `:status`.
STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
# Codes of the digits in the Huffman table: bits and value.
DIGITS = {(5, 0): "0", (5, 1): "1", (5, 2): "2", **{(6, 0x16 + digit): str(digit) for digit in range(3, 10)}}


def integer(value, prefix, first=0):
    """An integer with so many bits in its first byte."""
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([first | value])
    coded, value = bytearray([first | limit]), value - limit
    while value >= 128:
        coded.append(value & 127 | 128)
        value >>= 7
    coded.append(value)
    return bytes(coded)


def text(value):
    """A string without Huffman coding."""
    raw = value if isinstance(value, bytes) else value.encode()
    return integer(len(raw), 7) + raw


def block(fields):
    """Fields as literals that are not indexed."""
    return b"".join(b"\x00" + text(name) + text(value) for name, value in fields)


def indexed(name, value):
    """A field that enters the dynamic table."""
    return b"\x40" + text(name) + text(value)


def status(coded):
    """The status at the start of a block. The client allows no dynamic table, so it is there in full."""
    while coded and coded[0] & 0xE0 == 0x20:
        coded = coded[1:]
    if coded[0] & 0x80:
        return STATUSES[coded[0] & 0x7F]
    value = coded[2:2 + (coded[1] & 0x7F)]
    return int(huffman_digits(value) if coded[1] & 0x80 else value)


def huffman_digits(coded):
    bits = "".join(f"{byte:08b}" for byte in coded)
    digits = ""
    while len(bits) >= 5 and len(digits) < 3:
        length = 5 if (5, int(bits[:5], 2)) in DIGITS else 6
        digits, bits = digits + DIGITS[length, int(bits[:length], 2)], bits[length:]
    return digits
