"""Pen strokes."""

import numpy as np
import pytest

from mtl.data.drawn import strokes


def rng(seed=11):
    return np.random.default_rng(seed)


def test_digits_stand_side_by_side_on_a_line():
    for seed in range(20):
        written = strokes.write("888", rng(seed), 1.0)  # an 8 is one stroke; a mark may follow
        assert (np.diff([stroke[:, 0].mean() for stroke in written[:3]]) > 0).all()
        y = np.concatenate(written)[:, 1]
        assert -1.0 < y.min() and y.max() < 2.0


def test_no_digits_have_no_strokes():
    assert strokes.write("", rng(), 1.0) == []


@pytest.mark.parametrize("digit", range(10))
def test_each_shape_of_a_digit_fills_its_box(digit):
    for shape in strokes.DIGITS[digit]:
        pieces = [piece for stroke in strokes.parse(shape) for piece in stroke]
        points = np.concatenate(pieces)
        assert points.min() >= -0.1 and points.max() <= 1.1
        assert points[:, 1].min() <= 0.06 and points[:, 1].max() >= 0.98


def test_curve_goes_through_its_points():
    points = rng().uniform(0.0, 1.0, (5, 2))
    curve = strokes.curve(points)
    assert curve.shape == (7 * 4, 2)
    np.testing.assert_allclose(curve[::7], points[:-1], atol=1e-12)
    np.testing.assert_allclose(curve[6::7], points[1:], atol=1e-12)


def test_curve_through_points_on_a_line_is_straight():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    curve = strokes.curve(np.stack([x, 2.0 * x + 1.0], axis=1))
    np.testing.assert_allclose(curve[:, 1], 2.0 * curve[:, 0] + 1.0, atol=1e-12)
