"""mtl.serving.request_images: images as `mtl predict` reads them, and their limits."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mtl.data import images
from mtl.inputs import NUMBERS, Inputs
from mtl.serving import request_images
from mtl.serving.refusals import Refused


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture(width=70, height=40, mode="RGB"):
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def bomb(width, height):
    """Return a PNG of a few bytes whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT"


def test_windows_are_those_of_the_command(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    files = [
        encoded(picture()),
        encoded(picture(), "JPEG", exif=exif),
        encoded(picture(mode="RGBA"), "WEBP"),
        encoded(picture(mode="L"), "TIFF"),
    ]
    found = request_images.windows(files, NUMBERS, 1)
    assert found.shape == (4, 64, 64, 3) and found.dtype == np.uint8
    for index, file in enumerate(files):
        path = tmp_path / str(index)
        path.write_bytes(file)
        np.testing.assert_array_equal(found[index], images.window(images.read(str(path))))


def test_windows_have_the_channels_and_the_type_of_the_network():
    found = request_images.windows([encoded(picture())], Inputs((8, 9, 1), 0, "float32"), 1)
    assert found.shape == (1, 8, 9, 1) and found.dtype == np.float32
    assert 0 <= found.min() and found.max() <= 1


@pytest.mark.parametrize("width, height", [(1001, 1000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_image_with_too_many_pixels_is_refused_by_its_header(width, height):
    with pytest.raises(Refused) as caught:
        request_images.windows([bomb(width, height)], NUMBERS, 1)
    assert caught.value.status in (400, 413)
    assert "million" in caught.value.message


def test_pixels_of_all_images_of_a_request_count_together():
    one = encoded(Image.new("L", (800, 800)))
    request_images.windows([one], NUMBERS, 1)
    with pytest.raises(Refused, match="1.3 million pixels, but the limit is 1") as caught:
        request_images.windows([one, one], NUMBERS, 1)
    assert caught.value.status == 413


@pytest.mark.parametrize("file", [b"", b"text", b"\x89PNG\r\n\x1a\n", encoded(picture())[:200]])
def test_file_that_is_not_an_image_is_refused_with_its_position(file):
    with pytest.raises(Refused, match="^image 1: ") as caught:
        request_images.windows([encoded(picture()), file], NUMBERS, 1)
    assert caught.value.status == 400


def test_broken_tiff_writes_nothing_to_stderr(capfd):
    request_images.silence()
    whole = encoded(picture(mode="1"), "TIFF", compression="group4")
    for position in range(8, len(whole), 7):
        file = bytearray(whole)
        file[position] ^= 0xFF
        with contextlib.suppress(Refused):
            request_images.windows([bytes(file)], NUMBERS, 1)
    assert "".join(capfd.readouterr()) == ""
