"""Random pixels, and image files written byte by byte, because Pillow does not write them."""

import struct
import zlib

import numpy as np
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(height, width, channels=3, seed=0):
    """Return random pixels, uint8 [height, width, channels]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def save(path, red):
    """Write an image of one colour, which the fake network of tests/cli reads as a number."""
    Image.new("RGB", (23, 17), (red, 80, 90)).save(path)


def png_chunk(kind, data):
    """Return a chunk of a PNG file with its checksum."""
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png(width, height, bits, colour, rows):
    """Return a PNG file; rows: bytes, each line of pixels behind its filter byte."""
    header = struct.pack(">2I5B", width, height, bits, colour, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + pixels + png_chunk(b"IEND", b"")


def tiff(pixels):
    """Return a big-endian TIFF 6.0 file of uint16 [height, width, 1 or 3]."""
    height, width, samples = pixels.shape
    data = pixels.astype(">u2").tobytes()
    # Behind the header, the number of tags, eight tags and the link to the next directory: 16, the
    # bits of a sample, three times.
    end = 8 + 2 + 8 * 12 + 4
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, end if samples > 2 else 16 << 16),
        (259, 3, 1, 1 << 16),
        (262, 3, 1, (2 if samples > 1 else 1) << 16),
        (273, 4, 1, end + 6),
        (277, 3, 1, samples << 16),
        (279, 4, 1, len(data)),
    ]
    directory = struct.pack(">H", len(tags))
    directory += b"".join(struct.pack(">HHII", *tag) for tag in tags)
    directory += struct.pack(">I", 0)
    return struct.pack(">2sHI", b"MM", 42, 8) + directory + struct.pack(">HHH", 16, 16, 16) + data
