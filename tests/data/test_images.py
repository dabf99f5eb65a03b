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


def png(width, height, bits, colour, rows):
    """Return a PNG file written by the letter of its specification; rows: bytes with a filter byte before each line."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(pixels):
    """Return a big-endian TIFF file of uint16 [height, width, 1 or 3], written by the letter of its specification (TIFF 6.0)."""
    height, width, samples = pixels.shape
    data = pixels.astype(">u2").tobytes()
    end = (
        8 + 2 + 8 * 12 + 4
    )  # of the header, the count, eight tags and the link to the next directory; the bits of each sample follow
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, samples, end if samples > 2 else 16 << 16), (259, 3, 1, 1 << 16),
        (262, 3, 1, (2 if samples > 1 else 1) << 16), (273, 4, 1, end + 6), (277, 3, 1, samples << 16), (279, 4, 1, len(data)),
    ]  # fmt: skip
    directory = (
        struct.pack(">H", len(tags))
        + b"".join(struct.pack(">HHII", *tag) for tag in tags)
        + struct.pack(">I", 0)
    )
    return struct.pack(">2sHI", b"MM", 42, 8) + directory + struct.pack(">HHH", 16, 16, 16) + data


def test_png_is_read_to_the_bit(tmp_path):
    pixels = noise(5, 7)
    picture = images.read(saved(tmp_path, Image.fromarray(pixels)))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize(
    "name, mode",
    [
        ("g.png", "L"), ("b.png", "1"), ("la.png", "LA"), ("i.png", "P"), ("a.png", "RGBA"),
        ("j.jpg", "RGB"), ("g.jpg", "L"), ("c.jpg", "CMYK"), ("y.jpg", "YCbCr"),
        ("w.webp", "RGB"), ("a.webp", "RGBA"), ("p.gif", "P"), ("g.gif", "L"),
        ("b.bmp", "1"), ("g.bmp", "L"), ("p.bmp", "P"), ("r.bmp", "RGB"), ("a.bmp", "RGBA"),
        ("t.tif", "RGB"), ("b.tif", "1"), ("p.tif", "P"), ("la.tif", "LA"), ("a.tif", "RGBA"), ("c.tif", "CMYK"),
        ("b.pbm", "1"), ("g.pgm", "L"), ("r.ppm", "RGB"),
    ],
)  # fmt: skip
def test_formats_and_modes_become_rgb_of_the_same_look(tmp_path, name, mode):
    # Two flat halves survive lossy formats and palettes.
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    picture = images.read(saved(tmp_path, Image.fromarray(pixels).convert(mode), name))
    assert picture.mode == "RGB" and picture.size == (32, 16)
    assert np.abs(np.asarray(picture, int) - pixels).max() <= 12


GREY_16 = np.array([[0, 257, 32896, 65535], [65535, 128, 129, 514]], np.uint16)
GREY_8 = np.array([[0, 1, 128, 255], [255, 0, 1, 2]], np.uint8)  # GREY_16 / 257, rounded


@pytest.mark.parametrize(
    "dtype, name", [("u2", "g.png"), ("u2", "g.tif"), ("i4", "g.tif"), ("u2", "g.pgm")]
)
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, dtype, name):
    picture = images.read(saved(tmp_path, Image.fromarray(GREY_16.astype(dtype)), name))
    np.testing.assert_array_equal(np.asarray(picture), GREY_8[..., None].repeat(3, 2))


def test_sixteen_bits_of_the_other_byte_order(tmp_path):
    (tmp_path / "g.tif").write_bytes(tiff(GREY_16[..., None]))
    np.testing.assert_array_equal(np.asarray(images.read(str(tmp_path / "g.tif")))[..., 1], GREY_8)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_a_colour(tmp_path, kind):
    pixels = np.stack([GREY_16, GREY_16[::-1], GREY_16[:, ::-1]], axis=2)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    (tmp_path / f"c.{kind}").write_bytes(png(4, 2, 16, 2, rows) if kind == "png" else tiff(pixels))
    got = np.asarray(images.read(str(tmp_path / f"c.{kind}")), int)
    assert (
        got.shape == (2, 4, 3) and np.abs(got - pixels / 257).max() < 1
    )  # Pillow takes the upper byte


def test_sixteen_bits_with_alpha(tmp_path):
    alpha = np.array([[65535, 0, 65535, 0], [65535] * 4], np.uint16)
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes() for row in np.stack([GREY_16, alpha], axis=2)
    )
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
        ([0, 5e5, 8e5, 2e6], [0, 64, 102, 255]),  # of no usual scale: the brightest is white
        ([np.nan, 1, np.inf, -np.inf], [0, 255, 255, 0]),
        ([-3, -2, -1, 0], [0, 0, 0, 0]),
        ([np.nan] * 4, [0] * 4),
    ],
)
def test_floats_are_scaled_by_the_white_that_fits(tmp_path, values, wanted):
    picture = images.read(saved(tmp_path, Image.fromarray(np.array([values], np.float32)), "f.tif"))
    np.testing.assert_array_equal(np.asarray(picture)[0], np.array(wanted)[:, None].repeat(3, 1))


def test_inverted_inks_of_a_jpeg(tmp_path):
    # Adobe stores how much ink is missing: 255 is none. Read as how much there is, white paper would turn black.
    inks = np.zeros((16, 24, 4), np.uint8)
    inks[:, 8:] = 0, 255, 255, 0  # red
    inks[:, 16:] = 0, 0, 0, 200
    path = saved(tmp_path, Image.fromarray(inks, "CMYK"), "c.jpg", quality=95)
    with open(path, "rb") as file:
        assert b"Adobe" in file.read()
    with Image.open(path) as stored:
        stored.tile = [(*stored.tile[0][:3], ("CMYK", ""))]  # the samples as they are stored
        samples = np.asarray(stored, float)
    assert samples[8, 3].min() > 250
    wanted = samples[..., :3] * samples[..., 3:] / 255
    assert np.abs(np.asarray(images.read(path)) - wanted).max() <= 2


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif", "a.jpg"])
def test_of_several_pictures_the_first_is_taken(tmp_path, name):
    first, second = (
        Image.new("RGB", (18, 11), colour) for colour in ((200, 30, 40), (20, 30, 240))
    )
    kind = (
        {"format": "MPO"} if name == "a.jpg" else {}
    )  # two pictures in a JPEG file: what many a telephone writes
    path = saved(tmp_path, first, name, save_all=True, append_images=[second], **kind)
    with Image.open(path) as opened:
        assert opened.n_frames == 2
    assert np.abs(np.asarray(images.read(path), int) - (200, 30, 40)).max() <= 8


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


@pytest.mark.parametrize(
    "mode, pixel, key, other",
    [("L", 7, 7, 90), ("RGB", (1, 2, 3), (1, 2, 3), (4, 5, 6)), ("1", 0, 0, 1)],
)
def test_a_colour_declared_transparent_is_grey(tmp_path, mode, pixel, key, other):
    picture = Image.new(mode, (2, 1), other)
    picture.putpixel((0, 0), pixel)
    read = np.asarray(images.read(saved(tmp_path, picture, transparency=key)))
    assert read[0, 0].tolist() == [128] * 3
    np.testing.assert_array_equal(read[0, 1], np.asarray(picture.convert("RGB"))[0, 1])


def test_half_transparent_is_mixed(tmp_path):
    read = np.asarray(images.read(saved(tmp_path, Image.new("LA", (1, 1), (255, 51)))))
    assert read[0, 0].tolist() == [153] * 3  # 0.2 * 255 + 0.8 * 128


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


@pytest.mark.parametrize("name", ["o.jpg", "o.webp", "o.tif"])
def test_exif_orientation_is_heeded_in_other_formats(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored as it is, shown a quarter turn clockwise
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    picture = images.read(saved(tmp_path, Image.fromarray(pixels), name, exif=exif))
    assert picture.size == (16, 32)
    np.testing.assert_allclose(np.asarray(picture, int), np.rot90(pixels, -1), atol=4)


def test_broken_exif_leaves_the_picture_as_it_is(tmp_path):
    path = saved(
        tmp_path, Image.fromarray(noise(8, 9)), "p.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"
    )
    assert images.read(path).size == (9, 8)


def test_missing_directory_empty_and_text(tmp_path):
    assert "no such file" in error_of(tmp_path / "none.png")
    assert "not a file" in error_of(tmp_path)
    (tmp_path / "empty.png").write_bytes(b"")
    assert "empty" in error_of(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("210")
    assert "not an image" in error_of(tmp_path / "text.png")


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
    path = tmp_path / "huge.png"
    path.write_bytes(png(side, side, 8, 2, b""))
    assert "scale it down" in error_of(path)


def test_window_of_the_whole_picture_against_pillow():
    picture = Image.fromarray(noise(90, 50))
    got = images.window(picture)
    assert got.shape == (WINDOW, WINDOW, 3) and got.dtype == np.uint8 and got.flags.writeable
    np.testing.assert_array_equal(
        got, np.asarray(picture.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR))
    )


def test_window_of_the_windows_size_is_the_pixels_themselves():
    pixels = noise(WINDOW + 9, WINDOW + 4)
    got = images.window(Image.fromarray(pixels), (3, 7, 3 + WINDOW, 7 + WINDOW))
    np.testing.assert_array_equal(got, pixels[7 : 7 + WINDOW, 3 : 3 + WINDOW])


def test_window_is_clipped_to_the_picture():
    picture = Image.fromarray(noise(30, 40))
    np.testing.assert_array_equal(
        images.window(picture, (-5.5, 10, 22, 99)), images.window(picture, (0, 10, 22, 30))
    )


def test_shrinking_averages():
    # Stripes of one pixel, shrunk threefold: plain sampling would keep black and white, averaging gives grey.
    pixels = np.zeros((3 * WINDOW, 3 * WINDOW, 3), np.uint8)
    pixels[:, ::2] = 255
    assert np.abs(images.window(Image.fromarray(pixels)).astype(int) - 127).max() < 50


@pytest.mark.parametrize("box", [(40, 0, 50, 9), (-9, 0, 0, 9), (5, 30, 7, 31), (5, -8, 7, -1)])
def test_window_outside_the_picture(box):
    with pytest.raises(ValueError, match="outside the image of 40 x 30"):
        images.window(Image.new("RGB", (40, 30)), box)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "box, reason",
    [
        ((5, 6, 5, 9), "the box from 5, 6 to 5, 9 has no width"),
        ((5, 9, 7, 9), "has no height"),
        ((9, 0, 2, 9), "has a negative width"),
        ((2, 9, 9, 4), "has a negative height"),
        ((60, 0, 60, 9), "has no width"),
        ((NAN, 0, 5, 9), "the box from nan, 0 to 5, 9 is not finite"),
        ((0, 1, 5, NAN), "is not finite"),
        ((0, -INF, 5, INF), "is not finite"),
    ],
)
def test_box_without_size_is_not_reported_as_outside(box, reason):
    with pytest.raises(ValueError) as caught:
        images.clipped(box, (40, 30))
    assert str(caught.value).endswith(reason)


def test_missing_permission_is_not_reported_as_a_broken_picture(tmp_path, monkeypatch):
    def closed(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    path = saved(tmp_path, Image.fromarray(noise(5, 7)))
    monkeypatch.setattr(Image, "open", closed)  # root may read anything
    message = error_of(path)
    assert "no permission" in message and "save it again" not in message


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
        with pytest.raises(DataError, match=r"^17\.png: .*; save it again as PNG or JPEG$"):
            images.read("17.png", io.BytesIO(damaged))


# -- what an argument names -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Go to a folder with pictures, and with much else; return nothing."""
    pictures = ["b.png", "a.JPG", "c.webp", "x[1].png", "in/d.tiff", "in/deep/e.gif"]
    for path in pictures + ["labels.csv", "._a.jpg", "notes", "none/n.md"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "argument, found",
    [
        ("b.png", ["b.png"]),
        ("notes", ["notes"]),  # a file that is given is tried, whatever its ending
        ("missing.png", ["missing.png"]),  # reading it says what is wrong
        (".", ["./a.JPG", "./b.png", "./c.webp", "./x[1].png"]),
        ("in/", ["in/d.tiff"]),
        ("*.png", ["b.png", "x[1].png"]),
        ("[ab].*", ["a.JPG", "b.png"]),
        ("?.png", ["b.png"]),
        ("*", ["a.JPG", "b.png", "c.webp", "x[1].png"]),
        ("**", ["a.JPG", "b.png", "c.webp", "in/d.tiff", "in/deep/e.gif", "x[1].png"]),
        ("in/**/*.gif", ["in/deep/e.gif"]),
        ("x[1].png", ["x[1].png"]),  # the file, which the pattern would not match
    ],
)
def test_what_an_argument_names(album, argument, found):
    assert images.expand(argument) == found


BRACKETS = ["photos[1]/a.jpg", "photos[1]/b.png", "photos[1]/in[2]/c.jpg", "photos1/d.jpg"]
BRACKETS += ["p[?]/[e].png", "p[?]/e.png"]


@pytest.mark.parametrize(
    "argument, found",
    [
        ("photos[1]/*.jpg", ["photos[1]/a.jpg"]),
        ("./photos[1]//*.*", ["./photos[1]/a.jpg", "./photos[1]/b.png"]),
        ("photos[1]/**", ["photos[1]/a.jpg", "photos[1]/b.png", "photos[1]/in[2]/c.jpg"]),
        ("photos[1]/in[2]/?.jpg", ["photos[1]/in[2]/c.jpg"]),
        ("photos[1]/in*/c.jpg", ["photos[1]/in[2]/c.jpg"]),
        ("photos[123]/*", ["photos1/d.jpg"]),  # no folder of that name: a pattern
        ("p[?]/[e].png", ["p[?]/[e].png"]),
        ("p[?]/[ef].png", ["p[?]/e.png"]),
        ("photos[1]", ["photos[1]/a.jpg", "photos[1]/b.png"]),
        ("photos[1]/missing.jpg", ["photos[1]/missing.jpg"]),  # reading it says what is wrong
    ],
)
def test_folder_that_exists_is_not_read_as_a_pattern(tmp_path, monkeypatch, argument, found):
    for path in BRACKETS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert images.expand(argument) == found
    if not argument.startswith("."):
        assert images.expand(str(tmp_path / argument)) == [str(tmp_path / path) for path in found]


def test_leading_tilde_is_the_home_folder_unless_a_file_has_that_name(tmp_path, monkeypatch):
    home, here = tmp_path / "home[7]", tmp_path / "here"
    for path in (home / "a.jpg", home / "b.png", here / "c.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert images.expand("~/a.jpg") == [str(home / "a.jpg")]
    assert images.expand("~/*.png") == [str(home / "b.png")]
    assert images.expand("~") == [str(home / "a.jpg"), str(home / "b.png")]
    (here / "~").mkdir()
    (here / "~" / "d.png").write_bytes(b"")
    assert images.expand("~/*") == ["~/d.png"]


@pytest.mark.parametrize(
    "argument, fault",
    [
        ("none", "no images in this folder"),
        ("folder.png", "no images in this folder"),
        ("z*.png", "no images match this pattern"),
        ("*.csv", "no images match this pattern"),
    ],
)
def test_argument_without_images_is_an_error(album, argument, fault):
    with pytest.raises(DataError) as caught:
        images.expand(argument)
    assert str(caught.value).startswith(f"{argument}: {fault}; name image files")
