"""Backgrounds."""

import numpy as np

from mtl.data.drawn import background


def test_background_has_the_requested_size():
    for seed in range(30):
        image = background.paint_background((31, 17), np.random.default_rng(seed), 1.0)
        assert image.shape == (17, 31, 3)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()


def test_easiest_background_is_plain():
    image = background.paint_background((31, 17), np.random.default_rng(0), 0.0)
    assert (image == image[0, 0]).all()
