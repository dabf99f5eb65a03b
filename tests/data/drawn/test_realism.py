"""The realism of a difficulty."""

import pytest

from mtl.data.drawn import realism


@pytest.mark.parametrize(
    "difficulty, expected",
    [(0.0, 0.0), (realism.PLAIN, 0.0), (0.35, 0.5), (realism.STREET, 1.0), (1.0, 1.0)],
)
def test_realism_grows_with_difficulty(difficulty, expected):
    assert realism.realism_of(difficulty) == pytest.approx(expected)
