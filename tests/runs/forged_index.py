"""Forge the index of a checkpoint with correct checksums, as an attacker would."""

import struct

FLOAT, INT64, STRING = 1, 9, 7  # see tensorflow/core/framework/types.proto


def crc32c(data):
    """Return the masked CRC-32C that LevelDB and TensorFlow store (polynomial of RFC 3720)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    """Encode an integer, 7 bits a byte; a negative one in two's complement of 64 bits."""
    value, encoded = value % 2**64, b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def field(number, value):
    """Encode a field of a protocol buffer; value: int, bytes, or None for no field."""
    if value is None:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


HEADER = field(1, 1) + field(3, field(1, 1))


def entry(shape, dtype=FLOAT, offset=0, size=0, more=b""):
    """Encode a BundleEntryProto; more: bytes to append."""
    axes = b"".join(field(2, field(1, axis)) for axis in shape)
    checksum = varint(6 << 3 | 5) + bytes(4)
    return field(1, dtype) + field(2, axes) + field(4, offset) + field(5, size) + checksum + more


def block(pairs, restarts=(0,), compression=0):
    """Encode a block; pairs: (shared bytes, rest of the key, value).

    Returns:
      the size that a handle gives, and the bytes with the trailer.
    """
    content = b""
    for shared, rest, value in pairs:
        content += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
    for restart in (*restarts, len(restarts)):
        content += struct.pack("<I", restart)
    summed = content + bytes([compression])
    return len(content), summed + struct.pack("<I", crc32c(summed))


def table(pairs, **options):
    """Encode an index of one block; pairs and options: as `block`."""
    size, entries = block([(0, b"", HEADER), *pairs], **options)
    index_size, index = block([(0, b"z", varint(0) + varint(size))])
    footer = varint(0) + varint(0) + varint(len(entries)) + varint(index_size)
    return entries + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
