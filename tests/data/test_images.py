"""Reading pictures, and cutting windows out of them."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mtl.config import WINDOW
from mtl.data import images
from mtl.errors import DataError


def noise(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def saved(tmp_path, picture, name="p.png", **options):
    path = str(tmp_path / name)
    picture.save(path, **options)
    return path


def error_of(path):
    with pytest.raises(DataError) as caught:
        images.read(str(path))
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_png_is_read_to_the_bit(tmp_path):
    pixels = noise(5, 7)
    picture = images.read(saved(tmp_path, Image.fromarray(pixels)))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize(
    "name, mode", [("g.png", "L"), ("b.png", "1"), ("p.gif", "P"), ("c.jpg", "CMYK"), ("j.jpg", "RGB"), ("w.webp", "RGB"), ("t.tif", "RGB")]
)
def test_formats_and_modes_become_rgb_of_the_same_look(tmp_path, name, mode):
    # Two flat halves survive lossy formats and palettes.
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    picture = images.read(saved(tmp_path, Image.fromarray(pixels).convert(mode), name))
    assert picture.mode == "RGB" and picture.size == (32, 16)
    assert np.abs(np.asarray(picture, int) - pixels).max() <= 12


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    grey = np.array([[0, 257, 32896, 65535]], np.uint16)
    picture = images.read(saved(tmp_path, Image.fromarray(grey)))
    np.testing.assert_array_equal(np.asarray(picture)[0, :, 1], [0, 1, 128, 255])


def test_transparent_parts_are_grey_and_opaque_parts_stay(tmp_path):
    pixels = noise(3, 4, 4)
    pixels[..., 3] = [255, 0, 255, 0]
    read = np.asarray(images.read(saved(tmp_path, Image.fromarray(pixels))))
    np.testing.assert_array_equal(read[:, ::2], pixels[:, ::2, :3])
    assert (read[:, 1::2] == 128).all()


def test_transparent_palette_colour_is_grey(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 210, 220])
    picture.putpixel((1, 0), 1)
    read = np.asarray(images.read(saved(tmp_path, picture, transparency=1)))
    assert read[0].tolist() == [[10, 20, 30], [128, 128, 128]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_turned_upright(tmp_path, orientation):
    upright = noise(3, 5)
    # How a camera stores the upright picture so that the orientation undoes it (EXIF 2.3, tag 0x0112).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    np.testing.assert_array_equal(np.asarray(images.read(path)), upright)


def test_broken_exif_leaves_the_picture_as_it_is(tmp_path):
    path = saved(tmp_path, Image.fromarray(noise(8, 9)), "p.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert images.read(path).size == (9, 8)


def test_missing_directory_empty_and_text(tmp_path):
    assert "no such file" in error_of(tmp_path / "none.png")
    assert "not a file" in error_of(tmp_path)
    (tmp_path / "empty.png").write_bytes(b"")
    assert "empty" in error_of(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("210")
    assert "not a picture" in error_of(tmp_path / "text.png")


def test_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a file" in error_of(tmp_path / "pipe.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_cut_short_at_any_byte_is_a_data_error_or_the_whole_picture(tmp_path, kind):
    buffer = io.BytesIO()
    Image.fromarray(noise(11, 13)).save(buffer, kind)
    whole = buffer.getvalue()
    path = tmp_path / "cut"
    refused = 0
    for size in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:size])
        try:
            assert images.read(str(path)).size == (13, 11)
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 20


def test_random_damage_is_a_data_error_or_a_picture(tmp_path):
    random = np.random.default_rng(3)
    path = tmp_path / "damaged"
    for kind in ("PNG", "JPEG", "GIF", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(noise(6, 7)).save(buffer, kind)
        for _ in range(60):
            damaged = bytearray(buffer.getvalue())
            for position in random.integers(0, len(damaged), 3):
                damaged[position] = random.integers(256)
            path.write_bytes(damaged)
            try:
                assert images.read(str(path)).mode == "RGB"
            except DataError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("side", [8001, 30_000, 2**31 - 1])
def test_size_is_refused_by_the_header_alone(tmp_path, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = tmp_path / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert "scale it down" in error_of(path)


def test_window_of_the_whole_picture_against_pillow():
    picture = Image.fromarray(noise(90, 50))
    got = images.window(picture)
    assert got.shape == (WINDOW, WINDOW, 3) and got.dtype == np.uint8 and got.flags.writeable
    np.testing.assert_array_equal(got, np.asarray(picture.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR)))


def test_window_of_the_windows_size_is_the_pixels_themselves():
    pixels = noise(WINDOW + 9, WINDOW + 4)
    got = images.window(Image.fromarray(pixels), (3, 7, 3 + WINDOW, 7 + WINDOW))
    np.testing.assert_array_equal(got, pixels[7 : 7 + WINDOW, 3 : 3 + WINDOW])


def test_window_is_clipped_to_the_picture():
    picture = Image.fromarray(noise(30, 40))
    np.testing.assert_array_equal(images.window(picture, (-5.5, 10, 22, 99)), images.window(picture, (0, 10, 22, 30)))


def test_shrinking_averages():
    # Stripes of one pixel, shrunk threefold: plain sampling would keep black and white, averaging gives grey.
    pixels = np.zeros((3 * WINDOW, 3 * WINDOW, 3), np.uint8)
    pixels[:, ::2] = 255
    assert np.abs(images.window(Image.fromarray(pixels)).astype(int) - 127).max() < 50


@pytest.mark.parametrize("box", [(40, 0, 50, 9), (-9, 0, 0, 9), (5, 5, 5, 9), (9, 0, 2, 9), (float("nan"), 0, 5, 9)])
def test_window_outside_the_picture(box):
    with pytest.raises(ValueError, match="outside the picture of 40 x 30"):
        images.window(Image.new("RGB", (40, 30)), box)


def test_grown_box():
    # Box of both: 10..30 wide, 4..14 high; centre 20, 9; 1.3 times 20 is 26, 1.3 times 10 is 13.
    assert images.grown([(10, 6, 18, 14), (21, 4, 30, 12)]) == pytest.approx((7, 2.5, 33, 15.5))
    assert images.grown([(0, 0, 10, 20)]) == pytest.approx((-1.5, -3, 11.5, 23))


def test_a_picture_in_memory_is_called_as_it_is_told(tmp_path):
    pixels = noise(5, 7)
    with open(saved(tmp_path, Image.fromarray(pixels)), "rb") as file:
        whole = file.read()
    np.testing.assert_array_equal(np.asarray(images.read("17.png", io.BytesIO(whole))), pixels)
    for damaged in (b"", whole[:5], whole[:60]):
        with pytest.raises(DataError, match=r"^17\.png: .*: save it anew as PNG or JPEG$"):
            images.read("17.png", io.BytesIO(damaged))
