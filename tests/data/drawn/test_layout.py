"""The line of digits, and the box around it."""

import numpy as np
import pytest

from mtl.data.drawn import glyphs, layout, realism

NUMBERS = ["0", "7", "41", "210", "8053", "31415", "271828", "1234567"]
GLYPHS = glyphs.load()


class Calm(np.random.Generator):
    """A generator for which nothing unlikely happens: no neighbours, no jumpy digits."""

    def random(self, *args, **kwargs):
        return 0.5


def lay_out(text, seed, difficulty=1.0, kind=np.random.Generator):
    return layout.lay_out(text, kind(np.random.Philox(seed)), difficulty, GLYPHS)


@pytest.mark.parametrize("text", NUMBERS)
def test_box_fits_the_ink(text):
    for seed in range(40):
        field, box = lay_out(text, seed, kind=Calm)
        assert field.dtype == np.uint8
        rows, columns = np.nonzero(field > 128)
        ink = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        beyond = (ink - box) * [-1, -1, 1, 1]  # pixels outside the box, by side
        assert beyond.max() <= 1.0, f"seed {seed}: {beyond}"
        # A pointed tip does not cover the centre of a pixel.
        assert beyond.min() >= -4.0, f"seed {seed}: the box is too large: {beyond}"


def test_box_excludes_neighbouring_numbers():
    neighbours = 0
    for seed in range(300):
        field, (left, _, right, _) = lay_out("88", seed)
        columns = np.nonzero((field > 128).any(axis=0))[0]
        before, after = columns[columns < left - 1.5], columns[columns > right + 1.5]
        assert 12 < right - left < 75
        assert not len(before) or left - before.max() > 2.0
        assert not len(after) or after.min() - right > 2.0
        neighbours += bool(len(before) or len(after))
    assert 40 < neighbours < 96  # 68 expected, standard deviation 7


def test_plane_has_an_empty_border():
    for seed in range(40):
        field, (left, top, right, bottom) = lay_out("1234567", seed)
        height, width = field.shape
        assert 16 < left < right < width - 16
        assert 16 < top < bottom < height - 16
        inside = field.copy()
        inside[1:-1, 1:-1] = 0
        assert not inside.any()


def test_line_without_digits_has_a_box():
    for seed in range(40):
        field, (left, top, right, bottom) = lay_out("", seed)
        assert 0 < left < right
        assert 0 < top < bottom < field.shape[0]


def test_box_holds_digits_that_stand_one_below_the_other():
    stacked = 0
    for seed in range(600):
        field, (left, top, right, bottom) = lay_out("25", seed)
        if bottom - top > 1.2 * (right - left):
            stacked += 1
            rows = np.nonzero((field[:, int(left) : int(right) + 1] > 128).any(axis=1))[0]
            assert abs(rows.min() - top) < 4
            assert abs(rows.max() + 1 - bottom) < 4
    assert 9 < stacked < 45  # 24 expected, standard deviation 5


def test_digits_of_plain_images_stand_side_by_side():
    for seed in range(600):
        _, (left, top, right, bottom) = lay_out("25", seed, realism.PLAIN)
        assert bottom - top < right - left + 20
