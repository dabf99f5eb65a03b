"""Contact sheets."""

import numpy as np
import pytest
from PIL import Image

from mtl.reports import sheet


def pictures(n, height=21, width=34):
    # Whole numbers below 100 occur neither in paper nor in the colours of the marks, so that a picture can be found again.
    return np.random.default_rng(0).integers(30, 100, (n, height, width, 3), np.uint8)


def places(drawn, image):
    """List the (y, x) at which an image stands in the sheet to the bit."""
    pixels, (height, width) = np.asarray(drawn), image.shape[:2]
    candidates = np.argwhere((pixels == image[0, 0]).all(-1))
    return [
        (y, x)
        for y, x in candidates.tolist()
        if np.array_equal(pixels[y : y + height, x : x + width], image)
    ]


def test_every_picture_stands_in_its_cell_once():
    images = pictures(7)
    drawn = sheet.draw(images, [str(i) for i in range(7)], columns=3)
    spots = [places(drawn, image) for image in images]
    assert [len(spot) for spot in spots] == [1] * 7
    ys, xs = np.array([spot[0] for spot in spots]).T
    assert len(set(xs.tolist())) == 3 and len(set(ys.tolist())) == 3
    assert xs.tolist() == (xs[:3].tolist() * 3)[:7] and (np.diff(ys[::3]) > 21).all()


def test_scale_repeats_pixels():
    (image,) = pictures(1)
    drawn = sheet.draw(image[None], ["1"], scale=3)
    assert len(places(drawn, image.repeat(3, 0).repeat(3, 1))) == 1


def colours(drawn):
    return {tuple(colour) for colour in np.asarray(drawn).reshape(-1, 3).tolist()}


def test_marks_are_painted_where_they_are_set():
    images = pictures(3)
    plain, right, wrong = (
        colours(sheet.draw(images, ["8"] * 3, marks=[None, mark, None]))
        for mark in (None, True, False)
    )
    assert sheet.RIGHT not in plain and sheet.WRONG not in plain
    assert sheet.RIGHT in right and sheet.WRONG not in right
    assert sheet.WRONG in wrong and sheet.RIGHT not in wrong
    drawn = sheet.draw(images, [""] * 3, marks=[True, False, None])
    for image, colour, marked in zip(
        images, (sheet.RIGHT, sheet.WRONG, sheet.RIGHT), (True, True, False), strict=True
    ):
        ((y, x),) = places(drawn, image)
        assert (drawn.getpixel((x - 1, y)) == colour) == marked


def ink(drawn, image):
    """Find the pixels below a picture, in its column and beyond, that are not paper."""
    ((y, _),) = places(drawn, image)
    below = np.asarray(drawn)[y + image.shape[0] + 4 :].astype(int)
    return np.argwhere(np.abs(below - below[-1, -1]).sum(-1) > 60)


def test_captions_are_below_and_stay_within_their_cell():
    (image,) = pictures(1)
    empty, short = (ink(sheet.draw(image[None], [text]), image) for text in ("", "210"))
    assert len(empty) == 0 and len(short) > 10
    one, two = (sheet.draw(image[None], [text]) for text in ("1", "1\n2"))
    assert two.height > one.height and len(ink(two, image)) > len(ink(one, image))
    # A caption far too wide leaves the neighbour's caption as it is: the right half is the same whatever stands at the left.
    images = pictures(2)
    wide, none = (
        np.asarray(sheet.draw(images, [text, "7"]))
        for text in ("a caption that is far too wide", "")
    )
    half = wide.shape[1] // 2 + 1
    np.testing.assert_array_equal(wide[:, half:], none[:, half:])
    assert (wide != none).any()


def test_no_picture_is_an_empty_sheet():
    assert colours(sheet.draw(np.zeros((0, 9, 9, 3), np.uint8), [])) == {(250, 250, 248)}


def test_wrong_shapes_and_numbers():
    with pytest.raises(ValueError, match="2 images, 1 captions"):
        sheet.draw(pictures(2), ["1"])
    with pytest.raises(ValueError, match="1 marks"):
        sheet.draw(pictures(2), ["1", "2"], marks=[True])
    with pytest.raises(ValueError, match="float32"):
        sheet.draw(pictures(2).astype(np.float32), ["1", "2"])


@pytest.mark.parametrize("name, kind", [("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.jpeg", "JPEG")])
def test_a_saved_sheet_is_what_its_name_says(tmp_path, name, kind):
    drawn = sheet.draw(pictures(2), ["1", "2"])
    sheet.save(drawn, str(tmp_path / name))
    with Image.open(tmp_path / name) as opened:
        assert opened.format == kind and opened.size == drawn.size
    assert [path.name for path in tmp_path.iterdir()] == [name]
