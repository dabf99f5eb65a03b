"""Whole images of house numbers."""

import numpy as np
import pytest

from mtl import inputs
from mtl.data.drawn import drawing, glyphs, realism

NUMBERS = ["0", "7", "41", "210", "8053", "31415", "271828", "1234567"]
# Of the first plain images, and of 64. The README's figures for quickstart, log_sum, answer and
# linear were measured with these images: if the images change, measure again.
PLAIN_MEANS = [98.418, 94.695, 205.829, 117.562, 54.133]
PLAIN_MEAN = 121.155


def draw(text, seed, difficulty):
    rng = np.random.Generator(np.random.Philox(seed))
    return drawing.draw(text, rng, difficulty, glyphs.load())


@pytest.mark.parametrize("difficulty", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("text", ["", *NUMBERS])
def test_image_is_a_function_of_the_generator(text, difficulty):
    image = draw(text, 11, difficulty)
    assert image.shape == inputs.NUMBERS.shape
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, draw(text, 11, difficulty))
    assert (image != draw(text, 12, difficulty)).any()


def test_plain_images_are_those_of_the_measured_runs():
    means = [draw(NUMBERS[seed % 8], seed, realism.PLAIN).mean() for seed in range(64)]
    np.testing.assert_allclose(means[:5], PLAIN_MEANS, atol=0.01)
    assert abs(np.mean(means) - PLAIN_MEAN) < 0.01


def test_easiest_background_has_one_colour():
    for seed in range(20):
        image = draw("", seed, 0.0)
        assert (image == image[0, 0]).all()


def test_easiest_number_contrasts_with_its_background():
    for seed, text in enumerate(NUMBERS * 4):
        # The brightness differs by 0.45 of 255 or more; edges and thin strokes are blended.
        assert np.ptp(draw(text, seed, 0.0).astype(int).mean(axis=2)) > 60, f"seed {seed}: {text}"


def test_digits_change_the_image():
    assert (draw("1", 5, 0.5) != draw("8", 5, 0.5)).any()


def test_harder_images_have_less_contrast():
    easy, hard = (
        np.mean([draw("25", seed, difficulty).mean(axis=2).std() for seed in range(120)])
        for difficulty in (0.0, 1.0)
    )
    assert easy > 1.1 * hard
