"""The fast choice draws the same as NumPy's."""

import numpy as np
import pytest

from mtl.data.drawn import chance


@pytest.mark.parametrize("shares", [[1.0], [0.8, 0.2], [0.4, 0.3, 0.3], [0.0, 0.7, 0.1, 0.2, 0.0]])
def test_choice_is_that_of_numpy(shares):
    ours, numpys = np.random.default_rng(3), np.random.default_rng(3)
    sums = chance.cumulative(shares)
    for _ in range(200):
        assert chance.choose(ours, sums) == numpys.choice(len(shares), p=shares)
    assert ours.random() == numpys.random()
