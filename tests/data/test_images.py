"""images.read: formats, modes, transparency, orientation, and files that are rejected."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from mtl.data import images
from mtl.errors import DataError
from tests.image_files import noise, png, tiff


def saved(tmp_path, image, name="p.png", **options):
    path = str(tmp_path / name)
    image.save(path, **options)
    return path


def error_of(path):
    with pytest.raises(DataError) as caught:
        images.read(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


MODES = {
    "png": "L 1 LA P RGBA",
    "jpg": "RGB L CMYK YCbCr",
    "webp": "RGB RGBA",
    "gif": "P L",
    "bmp": "1 L P RGB RGBA",
    "tif": "RGB 1 P LA RGBA CMYK",
    "pbm": "1",
    "pgm": "L",
    "ppm": "RGB",
}
GREY_16 = np.array([[0, 257, 32896, 65535], [65535, 128, 129, 514]], np.uint16)
GREY_8 = np.array([[0, 1, 128, 255], [255, 0, 1, 2]], np.uint8)  # GREY_16 / 257, rounded


def test_reads_png_exactly(tmp_path):
    pixels = noise(5, 7)
    image = images.read(saved(tmp_path, Image.fromarray(pixels)))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    "name, mode",
    [(f"a.{extension}", mode) for extension, modes in MODES.items() for mode in modes.split()],
)
def test_converts_all_formats_and_modes_to_rgb(tmp_path, name, mode):
    # Two flat halves survive lossy formats and palettes.
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    image = images.read(saved(tmp_path, Image.fromarray(pixels).convert(mode), name))
    assert image.mode == "RGB" and image.size == (32, 16)
    assert np.abs(np.asarray(image, int) - pixels).max() <= 12


@pytest.mark.parametrize(
    "dtype, name", [("u2", "g.png"), ("u2", "g.tif"), ("i4", "g.tif"), ("u2", "g.pgm")]
)
def test_scales_16_bit_grey(tmp_path, dtype, name):
    image = images.read(saved(tmp_path, Image.fromarray(GREY_16.astype(dtype)), name))
    np.testing.assert_array_equal(np.asarray(image), GREY_8[..., None].repeat(3, 2))


def test_scales_16_bit_grey_of_the_other_byte_order(tmp_path):
    (tmp_path / "g.tif").write_bytes(tiff(GREY_16[..., None]))
    np.testing.assert_array_equal(np.asarray(images.read(str(tmp_path / "g.tif")))[..., 1], GREY_8)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_scales_16_bit_colours(tmp_path, kind):
    pixels = np.stack([GREY_16, GREY_16[::-1], GREY_16[:, ::-1]], axis=2)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    (tmp_path / f"c.{kind}").write_bytes(png(4, 2, 16, 2, rows) if kind == "png" else tiff(pixels))
    got = np.asarray(images.read(str(tmp_path / f"c.{kind}")), int)
    assert got.shape == (2, 4, 3)
    assert np.abs(got - pixels / 257).max() < 1  # Pillow takes the upper byte


def test_scales_16_bit_grey_with_alpha(tmp_path):
    alpha = np.array([[65535, 0, 65535, 0], [65535] * 4], np.uint16)
    pixels = np.stack([GREY_16, alpha], axis=2)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    (tmp_path / "la.png").write_bytes(png(4, 2, 16, 4, rows))
    got = np.asarray(images.read(str(tmp_path / "la.png")), int)
    assert np.abs(got - np.where(alpha > 0, GREY_16 / 257, 128)[..., None]).max() < 1


@pytest.mark.parametrize(
    "values, wanted",
    [
        ([0, 0.25, 0.5, 1], [0, 64, 128, 255]),
        ([-0.04, 0.5, 1.06, 0.2], [0, 128, 255, 51]),  # overshoots, as after sharpening
        ([0, 1, 127, 255], [0, 1, 127, 255]),
        ([0, 257, 32896, 65535], [0, 1, 128, 255]),
        ([0, 5e5, 8e5, 2e6], [0, 64, 102, 255]),  # no usual scale: the brightest is white
        ([np.nan, 1, np.inf, -np.inf], [0, 255, 255, 0]),
        ([-3, -2, -1, 0], [0, 0, 0, 0]),
        ([np.nan] * 4, [0] * 4),
    ],
)
def test_scales_floats_by_the_smallest_white_that_fits(tmp_path, values, wanted):
    image = images.read(saved(tmp_path, Image.fromarray(np.array([values], np.float32)), "f.tif"))
    np.testing.assert_array_equal(np.asarray(image)[0], np.array(wanted)[:, None].repeat(3, 1))


def test_reads_inverted_cmyk_of_a_jpeg(tmp_path):
    # Adobe stores the inks inverted: 255 is no ink. Without this, white paper turns black.
    inks = np.zeros((16, 24, 4), np.uint8)
    inks[:, 8:] = 0, 255, 255, 0  # red
    inks[:, 16:] = 0, 0, 0, 200
    path = saved(tmp_path, Image.fromarray(inks, "CMYK"), "c.jpg", quality=95)
    with open(path, "rb") as file:
        assert b"Adobe" in file.read()
    with Image.open(path) as stored:
        stored.tile = [(*stored.tile[0][:3], ("CMYK", ""))]  # the stored samples
        samples = np.asarray(stored, float)
    assert samples[8, 3].min() > 250
    wanted = samples[..., :3] * samples[..., 3:] / 255
    assert np.abs(np.asarray(images.read(path)) - wanted).max() <= 2


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif", "a.jpg"])
def test_reads_the_first_of_several_frames(tmp_path, name):
    first, second = (
        Image.new("RGB", (18, 11), colour) for colour in ((200, 30, 40), (20, 30, 240))
    )
    # MPO is JPEG with several images, as many phones write it.
    kind = {"format": "MPO"} if name == "a.jpg" else {}
    path = saved(tmp_path, first, name, save_all=True, append_images=[second], **kind)
    with Image.open(path) as opened:
        assert opened.n_frames == 2
    said = []
    read = images.read(path, say=said.append)
    assert np.abs(np.asarray(read, int) - (200, 30, 40)).max() <= 8
    # Viewers do not show the second image of an MPO either.
    line = f"{path}: has several frames or pages; only the first is read"
    assert said == ([] if name == "a.jpg" else [line])
    with open(path, "rb") as file:
        np.testing.assert_array_equal(images.read("-", file, said.append), read)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif", "a.jpg", "a.bmp", "a.ppm"])
def test_single_frame_is_read_without_a_notice(tmp_path, name):
    said = []
    images.read(saved(tmp_path, Image.fromarray(noise(18, 11)), name), say=said.append)
    assert said == []


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif"])
def test_first_frame_is_read_although_the_second_is_broken(tmp_path, name):
    first, second = Image.new("RGB", (18, 11), (200, 30, 40)), Image.fromarray(noise(11, 18))
    path = saved(tmp_path, first, name, save_all=True, append_images=[second])
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(whole[: len(whole) - 300])
    read = images.read(path, say=lambda line: None)
    np.testing.assert_array_equal(np.asarray(read), np.asarray(images.read(path)))


def test_shows_transparent_parts_grey_and_keeps_opaque_parts(tmp_path):
    pixels = noise(3, 4, 4)
    pixels[..., 3] = [255, 0, 255, 0]
    read = np.asarray(images.read(saved(tmp_path, Image.fromarray(pixels))))
    np.testing.assert_array_equal(read[:, ::2], pixels[:, ::2, :3])
    assert (read[:, 1::2] == 128).all()


def test_shows_a_transparent_palette_colour_grey(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 210, 220])
    image.putpixel((1, 0), 1)
    read = np.asarray(images.read(saved(tmp_path, image, transparency=1)))
    assert read[0].tolist() == [[10, 20, 30], [128, 128, 128]]


@pytest.mark.parametrize(
    "mode, pixel, key, other",
    [("L", 7, 7, 90), ("RGB", (1, 2, 3), (1, 2, 3), (4, 5, 6)), ("1", 0, 0, 1)],
)
def test_shows_a_colour_declared_transparent_grey(tmp_path, mode, pixel, key, other):
    image = Image.new(mode, (2, 1), other)
    image.putpixel((0, 0), pixel)
    read = np.asarray(images.read(saved(tmp_path, image, transparency=key)))
    assert read[0, 0].tolist() == [128] * 3
    np.testing.assert_array_equal(read[0, 1], np.asarray(image.convert("RGB"))[0, 1])


def test_blends_half_transparent_parts_with_grey(tmp_path):
    read = np.asarray(images.read(saved(tmp_path, Image.new("LA", (1, 1), (255, 51)))))
    assert read[0, 0].tolist() == [153] * 3  # 0.2 * 255 + 0.8 * 128


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_image_upright_by_exif_orientation(tmp_path, orientation):
    upright = noise(3, 5)
    # What a camera stores with each orientation (EXIF 2.3, tag 0x0112).
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


@pytest.mark.parametrize("name", ["o.jpg", "o.webp", "o.tif"])
def test_turns_other_formats_upright(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    image = images.read(saved(tmp_path, Image.fromarray(pixels), name, exif=exif))
    assert image.size == (16, 32)
    np.testing.assert_allclose(np.asarray(image, int), np.rot90(pixels, -1), atol=4)


def test_ignores_broken_exif(tmp_path):
    broken = b"Exif\0\0MM\0*\xff\xff\xff\xff"
    path = saved(tmp_path, Image.fromarray(noise(8, 9)), "p.jpg", exif=broken)
    assert images.read(path).size == (9, 8)


def test_rejects_missing_folder_empty_and_text_files(tmp_path):
    assert "no such file" in error_of(tmp_path / "none.png")
    assert "a folder, not an image file" in error_of(tmp_path)
    (tmp_path / "empty.png").write_bytes(b"")
    assert "empty" in error_of(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("210")
    assert "not an image" in error_of(tmp_path / "text.png")


def test_rejects_a_pipe_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "a pipe, not an image file" in error_of(tmp_path / "pipe.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_truncated_file_is_rejected_or_read_whole(tmp_path, kind):
    buffer = io.BytesIO()
    Image.fromarray(noise(11, 13)).save(buffer, kind)
    whole = buffer.getvalue()
    path = tmp_path / "cut"
    rejected = 0
    for size in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:size])
        try:
            assert images.read(str(path)).size == (13, 11)
        except DataError as error:
            assert "\n" not in str(error)
            rejected += 1
    assert rejected > 20


@pytest.mark.parametrize("side", [8001, 30_000, 2**31 - 1])
def test_rejects_too_many_pixels_by_the_header(tmp_path, side):
    path = tmp_path / "huge.png"
    path.write_bytes(png(side, side, 8, 2, b""))
    assert "scale it down" in error_of(path)


def test_missing_permission_is_named(tmp_path, monkeypatch):
    def closed(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    path = saved(tmp_path, Image.fromarray(noise(5, 7)))
    monkeypatch.setattr(Image, "open", closed)  # root may read anything
    message = error_of(path)
    assert "no permission" in message and "save it again" not in message


def test_name_of_the_file_is_one_line_in_errors(tmp_path):
    path = tmp_path / "a\n\x1b[31mb.png"
    path.write_bytes(noise(3, 9).tobytes())
    with pytest.raises(DataError) as caught:
        images.read(str(path))
    assert str(caught.value).startswith(f"{tmp_path}/a\\n\\x1b[31mb.png: not an image of")


def test_image_in_memory_has_the_given_name_in_errors(tmp_path):
    pixels = noise(5, 7)
    with open(saved(tmp_path, Image.fromarray(pixels)), "rb") as file:
        whole = file.read()
    np.testing.assert_array_equal(np.asarray(images.read("17.png", io.BytesIO(whole))), pixels)
    for damaged in (b"", whole[:5], whole[:60]):
        with pytest.raises(DataError, match=r"^17\.png: .*; save it again as PNG or JPEG$"):
            images.read("17.png", io.BytesIO(damaged))
