"""Image files with any values in their headers.

All functions take the same int: width, height, depth (bits), colour, and tail, which decides the
size of the content.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.image_files import PNG_SIGNATURE, png_chunk


def encoded(kind, mode="RGB", size=(9, 7)):
    """Return a valid image file of noise."""
    noise = np.random.default_rng(5).integers(0, 256, (size[1], size[0], 4), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise, "RGBA").convert(mode).save(buffer, kind)
    return buffer.getvalue()


def png(width, height, depth, colour, tail):
    """Return a PNG with correct checksums."""
    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, tail % 2)
    chunks = [(b"IHDR", header), (b"PLTE", bytes(6))]
    chunks += [(b"IDAT", zlib.compress(bytes(tail))), (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def gif(width, height, depth, colour, tail):
    size = struct.pack("<2H", width % 65536, height % 65536)
    header = b"GIF89a" + size + bytes([depth, 0, 0])
    palette = bytes(3 * 2 ** (depth % 8 + 1))
    frame = b"," + bytes(4) + size + b"\0\2\2\x4c\1\0" * (tail % 3)
    return header + palette + frame + b";"


def bmp(width, height, depth, colour, tail):
    header = struct.pack("<3I2H6I", 40, width, height, 1, depth, colour, tail, 0, 0, tail, 0)
    return b"BM" + struct.pack("<3I", 54 + tail, 0, 54) + header + bytes(tail % 999)


def tiff(width, height, depth, colour, tail):
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, depth),
        (259, 3, 1, 1 + tail % 9),
        (262, 3, 1, colour),
        (273, 4, 1, 8),
        (277, 3, 1, 1 + tail % 5),
        (278, 4, 1, height),
        (279, 4, 1, width),
        (700, 1, min(tail << 12, 2**32 - 1), 8),
    ]
    directory = struct.pack("<IH", 8, len(tags))
    directory += b"".join(struct.pack("<2H2I", *tag) for tag in tags)
    return b"II*\0" + directory + bytes(4 + tail % 999)


def webp(width, height, depth, colour, tail):
    body = b"VP8X" + struct.pack("<I", 10) + bytes([depth, 0, 0, 0])
    body += struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]
    body += encoded("WEBP")[12 : 12 + tail]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def ppm(width, height, depth, colour, tail):
    header = b"P%d %d %d %d\n" % (1 + colour % 7, width, height, 2**depth - 1)
    return header + b"1 " * (tail % 999)


MAKERS = (png, gif, bmp, tiff, webp, ppm)
