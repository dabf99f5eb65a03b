"""mtl.reports.sheet: where images, marks and captions are drawn."""

import numpy as np
import pytest
from PIL import Image

from mtl.inference import decoding
from mtl.reports import sheet


def images_of(count, height=41, width=64):
    # Neither paper nor marks have all channels from 30 to 99, so an image can be found again.
    return np.random.default_rng(0).integers(30, 100, (count, height, width, 3), np.uint8)


def positions(drawn, image):
    """List the (y, x) at which an image is in the sheet, bit for bit."""
    pixels, (height, width) = np.asarray(drawn), image.shape[:2]
    found = []
    for y, x in np.argwhere((pixels == image[0, 0]).all(-1)).tolist():
        if np.array_equal(pixels[y : y + height, x : x + width], image):
            found.append((y, x))
    return found


def colours(drawn):
    return {tuple(colour) for colour in np.asarray(drawn).reshape(-1, 3).tolist()}


def ink(drawn, image):
    """Return the pixels below an image that are not paper, [k, 2]."""
    ((y, _),) = positions(drawn, image)
    below = np.asarray(drawn)[y + image.shape[0] + 4 :].astype(int)
    return np.argwhere(np.abs(below - below[-1, -1]).sum(-1) > 60)


def test_each_image_is_drawn_once_in_rows():
    images = images_of(7)
    drawn = sheet.draw(images, [str(i) for i in range(7)], columns=3)
    found = [positions(drawn, image) for image in images]
    assert [len(each) for each in found] == [1] * 7
    ys, xs = np.array([each[0] for each in found]).T
    assert len(set(xs.tolist())) == 3 and len(set(ys.tolist())) == 3
    assert xs.tolist() == (xs[:3].tolist() * 3)[:7] and (np.diff(ys[::3]) > 41).all()


def test_scale_repeats_pixels():
    (image,) = images_of(1)
    drawn = sheet.draw(image[None], ["1"], scale=3)
    assert len(positions(drawn, image.repeat(3, 0).repeat(3, 1))) == 1


@pytest.mark.parametrize(
    "mark, painted", [(None, set()), (True, {sheet.GREEN}), (False, {sheet.RED})]
)
def test_a_mark_has_its_colour(mark, painted):
    drawn = sheet.draw(images_of(3), ["8"] * 3, marks=[None, mark, None])
    assert colours(drawn) & {sheet.GREEN, sheet.RED} == painted


def test_a_mark_frames_its_own_image():
    images = images_of(3)
    drawn = sheet.draw(images, [""] * 3, marks=[True, False, None])
    frames = []
    for image in images:
        ((y, x),) = positions(drawn, image)
        frames.append(drawn.getpixel((x - 1, y)))
    assert frames[:2] == [sheet.GREEN, sheet.RED] and frames[2] not in (sheet.GREEN, sheet.RED)


def test_captions_are_below_their_image():
    (image,) = images_of(1)
    empty, short = (ink(sheet.draw(image[None], [text]), image) for text in ("", "210"))
    assert len(empty) == 0 and len(short) > 10
    one, two = (sheet.draw(image[None], [text]) for text in ("1", "1\n2"))
    assert two.height > one.height and len(ink(two, image)) > len(ink(one, image))


def test_a_caption_that_is_too_wide_stays_in_its_cell():
    images = images_of(2)
    texts = ("a caption that is far too wide", "")
    wide, none = (np.asarray(sheet.draw(images, [text, "7"])) for text in texts)
    half = wide.shape[1] // 2 + 1
    np.testing.assert_array_equal(wide[:, half:], none[:, half:])
    assert (wide != none).any()


def drawn_with(caption):
    return np.asarray(sheet.draw(images_of(1), [caption]))


def test_long_names_are_told_apart_by_their_end():
    folder = "photographs/of/houses/in/a/long/street/"
    assert (drawn_with(f"{folder}1.png") != drawn_with(f"{folder}2.png")).any()
    other = "photographs/of/gardens/in/a/long/street/1.png"
    np.testing.assert_array_equal(drawn_with(f"{folder}1.png"), drawn_with(other))


def test_a_name_of_4096_characters_or_of_broken_text_is_drawn():
    for name in ("n" * 4096, "caf\udce9.png", "\u6570\u5b57.png", "tab\t.png"):
        assert drawn_with(name).shape == drawn_with("short").shape


@pytest.mark.parametrize("predicted", ["", None])
def test_words_fit_a_cell(predicted):
    compared = sheet.compared(decoding.written(""), decoding.written(predicted))
    assert compared.startswith("true no number\n> ")
    for line in compared.split("\n"):
        # A line that is cut on the left would not show the x.
        assert (drawn_with(line) != drawn_with(f"x{line}")).any()


def test_an_image_is_centred_in_a_wider_cell():
    (image,) = images_of(1)
    drawn = sheet.draw(image[None], [""])
    ((_, x),) = positions(drawn, image)
    assert abs((drawn.width - image.shape[1]) / 2 - x) <= 1


def test_no_images_give_an_empty_sheet():
    assert colours(sheet.draw(np.zeros((0, 9, 9, 3), np.uint8), [])) == {(250, 250, 248)}


def test_rejects_other_types_and_different_numbers():
    with pytest.raises(ValueError, match="2 images, 1 captions"):
        sheet.draw(images_of(2), ["1"])
    with pytest.raises(ValueError, match="1 marks"):
        sheet.draw(images_of(2), ["1", "2"], marks=[True])
    for wrong in (images_of(2).astype(np.int32), images_of(2)[..., :2], images_of(2)[0, 0]):
        with pytest.raises(ValueError, match=r"uint8 or float \[n, h, w, 1 or 3\], got"):
            sheet.draw(wrong, ["1"] * len(wrong))


def test_small_images_are_enlarged_by_a_whole_factor():
    small = images_of(1, 8, 7)
    shown = sheet.shown(small)
    np.testing.assert_array_equal(shown, small.repeat(8, axis=1).repeat(8, axis=2))
    assert sheet.shown(images_of(1, 36, 36)).shape[1:3] == (72, 72)
    assert len(positions(sheet.draw(small, ["1"]), shown[0])) == 1


def test_images_of_64_to_128_pixels_keep_their_size():
    for size in (64, 100, 128):
        images = images_of(2, size, size)
        np.testing.assert_array_equal(sheet.shown(images), images)


def test_large_images_are_reduced():
    image = np.repeat(np.repeat(images_of(1, 64, 128), 4, axis=1), 4, axis=2)
    np.testing.assert_array_equal(sheet.shown(image), images_of(1, 64, 128))
    assert sheet.shown(images_of(1, 1, 500)).shape == (1, 1, 128, 3)


def test_grey_and_float_images_are_shown_as_rgb():
    grey = images_of(3, 64, 64)[..., 0]
    rgb = np.repeat(grey[..., None], 3, axis=3)
    for images in (grey, grey[..., None], (grey / 255.0).astype(np.float32)):
        np.testing.assert_array_equal(sheet.shown(images), rgb)
    odd = np.array([[-1.0, 2.0], [np.nan, 0.5]])[None]
    assert sheet.shown(odd)[0, ::32, ::32, 1].tolist() == [[0, 255], [0, 128]]


def test_a_wide_cell_shows_the_caption_of_a_real_task():
    texts = ["height 1.70893 (true 1.75)", "weight 1.70893 (true 1.75)"]
    for cell, cut in ((sheet.CELL, True), (sheet.WIDE, False)):
        one, other = (np.asarray(sheet.draw(images_of(1), [text], cell=cell)) for text in texts)
        assert np.array_equal(one, other) == cut


@pytest.mark.parametrize("name, kind", [("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.jpeg", "JPEG")])
def test_the_ending_names_the_format(tmp_path, name, kind):
    drawn = sheet.draw(images_of(2), ["1", "2"])
    sheet.save(drawn, str(tmp_path / name))
    with Image.open(tmp_path / name) as opened:
        assert opened.format == kind and opened.size == drawn.size
    assert [path.name for path in tmp_path.iterdir()] == [name]


# -- pages -----------------------------------------------------------------------------------------


def added(path, count):
    """Add images to the pages of a path; return the Pages and their captions."""
    pages = sheet.Pages(str(path))
    captions = [f"{i}.png" for i in range(count)]
    for image, caption in zip(images_of(count), captions):
        pages.add(image, caption)
    return pages, captions


def test_a_page_is_written_when_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "PAGE", 3)
    pages, captions = added(tmp_path / "s.png", 7)
    names = ["s.png", "s-2.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    pages.close()
    names.append("s-3.png")
    assert pages.written == [str(tmp_path / name) for name in names] and pages.count == 7
    for page, name in enumerate(names):
        part = slice(3 * page, 3 * page + 3)
        expected = sheet.draw(images_of(7)[part], captions[part], columns=10, scale=2)
        with Image.open(tmp_path / name) as opened:
            np.testing.assert_array_equal(np.asarray(opened), np.asarray(expected))


@pytest.mark.parametrize("count", [0, 3])
def test_no_page_is_empty(tmp_path, monkeypatch, count):
    monkeypatch.setattr(sheet, "PAGE", 3)
    pages, _ = added(tmp_path / "s.png", count)
    pages.close()
    pages.close()
    assert len(pages.written) == len(list(tmp_path.iterdir())) == count // 3


@pytest.mark.parametrize("count, pages", [(0, 1), (1, 1), (400, 1), (401, 2), (1200, 3)])
def test_the_number_of_pages(count, pages):
    assert sheet.pages(count) == pages


def test_a_page_keeps_the_folder_and_the_extension():
    assert sheet.page_path("a.b/s.JPG", 1) == "a.b/s.JPG"
    assert sheet.page_path("a.b/s.JPG", 12) == "a.b/s-12.JPG"
