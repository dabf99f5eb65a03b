"""Digits painted over a background."""

import numpy as np
import pytest

from mtl.data.drawn import ink
from mtl.data.drawn.camera import Shot


def shot():
    """Return a shot of a square, 16 x 16 pixels in the middle of 40 x 40."""
    across = 8.0 - np.abs(np.arange(40) + 0.5 - 20.0)
    distance = np.minimum(across[:, None], across[None, :])
    field = (128 + 16 * distance.clip(-8.0, 7.0)).astype(np.uint8)
    corners = np.array([[0.0, 0.0], [0.0, 40.0], [40.0, 40.0], [40.0, 0.0]])
    return Shot(field, corners, (40, 40), 1.0)


@pytest.mark.parametrize("value", [0.1, 0.5, 0.9])
def test_easiest_digits_contrast_with_the_background(value):
    for seed in range(20):
        image = np.full((40, 40, 3), value, np.float32)
        painted = ink.paint_digits(image, shot(), np.random.default_rng(seed), 0.0)
        assert painted.shape == (40, 40, 3)
        # The requested contrast is 0.45; vivid colours are darker than requested.
        assert abs(painted[20, 20] @ [0.3, 0.6, 0.1] - value) > 0.2
        corners = painted[[0, 0, -1, -1], [0, -1, 0, -1]]
        np.testing.assert_array_equal(corners, np.float32(value))


def test_hardest_digits_are_finite():
    for seed in range(20):
        image = np.full((40, 40, 3), 0.5, np.float32)
        painted = ink.paint_digits(image, shot(), np.random.default_rng(seed), 1.0)
        assert np.isfinite(painted).all()
