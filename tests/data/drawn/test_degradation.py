"""How a camera degrades a scene."""

import numpy as np
from PIL import Image

from mtl.data.drawn import degradation
from mtl.inputs import NUMBERS


def test_no_difficulty_keeps_the_colours():
    image = np.full((21, 33, 3), 0.5, np.float32)
    image[:, 15:] = [0.2, 0.4, 0.8]
    photo = degradation.degrade(image, np.random.default_rng(0), 0.0)
    assert photo.shape == NUMBERS.shape
    assert photo.dtype == np.uint8
    np.testing.assert_allclose(photo[:, :20], 127, atol=1)
    right = np.broadcast_to([51, 102, 204], (NUMBERS.shape[0], 20, 3))
    np.testing.assert_allclose(photo[:, -20:], right, atol=1)


def test_values_outside_the_range_are_clipped():
    white = degradation.degrade(np.full((9, 9, 3), 3.0), np.random.default_rng(0), 0.0)
    black = degradation.degrade(np.full((9, 9, 3), -3.0), np.random.default_rng(0), 0.0)
    assert (white == 255).all()
    assert (black == 0).all()


def test_hardest_photo_is_a_function_of_the_generator():
    image = np.random.default_rng(1).random((40, 60, 3))
    for seed in range(30):
        photo = degradation.degrade(image, np.random.default_rng(seed), 1.0)
        again = degradation.degrade(image, np.random.default_rng(seed), 1.0)
        np.testing.assert_array_equal(photo, again)


def test_edges_are_extended():
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    cut = np.array([2, 1, 1, 0])  # left, top, right, bottom
    extended = np.asarray(degradation._extend_edges(Image.fromarray(pixels), cut))
    rows, columns = [1, 1, 2, 3, 4], [2, 2, 2, 3, 4, 5, 5]
    np.testing.assert_array_equal(extended, pixels[rows][:, columns])


def test_band_is_moved_by_fractions_of_pixels():
    ramp = Image.fromarray(np.tile(np.arange(0, 200, 20, dtype=np.uint8), (7, 1)))
    moved = np.asarray(degradation._moved(ramp, (0.5, 0.0)))
    np.testing.assert_allclose(moved[2, 2:7], np.arange(2, 7) * 20 + 10, atol=1)
