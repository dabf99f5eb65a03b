"""Pictures of any kind with any damage, whole headers that claim any size, and endings that lie."""

import io
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from mtl.data import images
from tests.mutations import damaged, quick


def encoded(kind, mode="RGB", size=(9, 7)):
    """Return the bytes of a picture of noise."""
    noise = np.random.default_rng(5).integers(0, 256, (size[1], size[0], 4), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise, "RGBA").convert(mode).save(buffer, kind)
    return buffer.getvalue()


WHOLE = {kind: encoded(kind) for kind in images.FORMATS}
WHOLE |= {"PNG of a palette": encoded("PNG", "P"), "PNG with alpha": encoded("PNG", "LA"), "TIFF of inks": encoded("TIFF", "CMYK"),
          "TIFF of floats": encoded("TIFF", "F"), "JPEG of inks": encoded("JPEG", "CMYK"), "WEBP with alpha": encoded("WEBP", "RGBA"),
          "PNG of 16 bits": encoded("PNG", "I;16"), "BMP of a palette": encoded("BMP", "P")}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_no_damage_makes_it_crash(tmp_path, taken, kind):
    path, seen = tmp_path / "picture.png", Counter()  # whatever it is: no ending is believed

    @quick(60)
    @given(damaged(WHOLE[kind]))
    def property(data):
        path.write_bytes(data)
        seen[taken("picture", path)["outcome"]] += 1

    assert taken("picture", path.parent / "none.png")["outcome"] == "refused"
    path.write_bytes(WHOLE[kind])
    assert taken("picture", path)["told"] == [9, 7]
    property()
    assert seen["refused"] > 5


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


SIDES = (
    st.integers(0, 2**32 - 1) | st.integers(0, 40) | st.sampled_from([8000, 8001, 20_000, 65_535])
)


def png(width, height, depth, colour, tail):
    """Return a PNG whose checksums hold: its header, and pixels as they come."""
    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, tail % 2)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", bytes(6))
        + chunk(b"IDAT", zlib.compress(bytes(tail)))
        + chunk(b"IEND", b"")
    )


def gif(width, height, depth, colour, tail):
    size = struct.pack("<2H", width % 65536, height % 65536)
    return (
        b"GIF89a"
        + size
        + bytes([depth, 0, 0])
        + bytes(3 * 2 ** (depth % 8 + 1))
        + b","
        + bytes(4)
        + size
        + b"\0\2\2\x4c\1\0" * (tail % 3)
        + b";"
    )


def bmp(width, height, depth, colour, tail):
    header = struct.pack("<3I2H6I", 40, width, height, 1, depth, colour, tail, 0, 0, tail, 0)
    return b"BM" + struct.pack("<3I", 54 + tail, 0, 54) + header + bytes(tail % 999)


def tiff(width, height, depth, colour, tail):
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, depth), (259, 3, 1, 1 + tail % 9), (262, 3, 1, colour), (273, 4, 1, 8),
            (277, 3, 1, 1 + tail % 5), (278, 4, 1, height), (279, 4, 1, width), (700, 1, min(tail << 12, 2**32 - 1), 8)]  # fmt: skip
    return (
        b"II*\0"
        + struct.pack("<IH", 8, len(tags))
        + b"".join(struct.pack("<2H2I", *tag) for tag in tags)
        + bytes(4 + tail % 999)
    )


def webp(width, height, depth, colour, tail):
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes([depth, 0, 0, 0])
        + struct.pack("<I", width)[:3]
        + struct.pack("<I", height)[:3]
    )
    body += WHOLE["WEBP"][12 : 12 + tail]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def ppm(width, height, depth, colour, tail):
    return b"P%d %d %d %d\n" % (1 + colour % 7, width, height, 2**depth - 1) + b"1 " * (tail % 999)


def test_no_header_makes_it_crash_or_take_memory(tmp_path, taken):
    path, seen = tmp_path / "picture.jpg", Counter()

    @quick(400)
    @given(
        st.sampled_from([png, gif, bmp, tiff, webp, ppm]), SIDES, SIDES, st.sampled_from([1, 2, 4, 8, 16, 24, 32, 3]), st.integers(0, 7),
        st.integers(0, 2000) | st.integers(0, 2**20),
    )  # fmt: skip
    def property(make, width, height, depth, colour, tail):
        path.write_bytes(make(width, height, depth, colour, tail))
        answer = taken("picture", path)
        seen[answer["outcome"]] += 1
        if answer["outcome"] == "read":
            read_width, read_height = answer["told"]
            assert read_width * read_height <= images.MAX_PIXELS

    property()
    assert min(seen["read"], seen["refused"]) > 5


@pytest.mark.parametrize("width, height", [(0, 5), (5, 0), (0, 0)])
def test_a_picture_without_pixels_is_refused(tmp_path, taken, width, height):
    for make in (png, gif, bmp, tiff, webp, ppm):
        (tmp_path / "empty").write_bytes(make(width, height, 8, 2, 50))
        answer = taken("picture", tmp_path / "empty")
        assert answer["outcome"] == "refused" or make is webp  # which counts from 1
