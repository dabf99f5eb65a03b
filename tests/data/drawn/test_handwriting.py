"""mtl/data/handwriting.py: amounts written by a pen, as a function of the stream alone."""

import collections

import numpy as np
import pytest

from mtl.data.drawn import handwriting


def stream(seed=11):
    return np.random.default_rng(seed)


def span(strokes):
    points = np.concatenate(strokes)
    return points.min(axis=0), points.max(axis=0)


def test_amounts_have_the_lengths_said_and_begin_with_no_zero():
    rng = stream()
    drawn = [handwriting.number(rng) for _ in range(4000)]
    counts = collections.Counter(map(len, drawn))
    for length, share in enumerate(handwriting.LENGTHS):
        assert counts[length] / 4000 == pytest.approx(share, abs=0.025)
    assert all(not text or text[0] != "0" and text.isdigit() for text in drawn)
    assert (
        np.mean([text.endswith("000") for text in drawn if len(text) > 4]) > 0.1
    )  # by chance a thousandth


def test_a_picture_is_a_function_of_the_stream():
    image = handwriting.draw("4207", stream(), 0.7)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, handwriting.draw("4207", stream(), 0.7))
    assert (image != handwriting.draw("4207", stream(12), 0.7)).any()
    assert (image != handwriting.draw("4208", stream(), 0.7)).any()


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("text", ["", "1", "1111111", "9080706"])
def test_any_number_can_be_written_as_hard_as_any(text, difficulty):
    for seed in range(6):
        image = handwriting.draw(text, stream(seed), difficulty)
        assert image.shape == (64, 64, 3)
        assert image.std() > 0 or not text  # plain paper may be of one colour


def test_digits_stand_one_after_the_other_on_a_line():
    for seed in range(20):
        strokes = handwriting.write(
            "888", stream(seed), 1.0
        )  # each is one stroke; a mark may close the amount
        assert (np.diff([stroke[:, 0].mean() for stroke in strokes[:3]]) > 0).all()
        low, high = span(strokes)
        assert -1.0 < low[1] and high[1] < 2.0


def test_nothing_is_written_without_digits():
    assert handwriting.write("", stream(), 1.0) == []


def test_ink_is_darker_than_paper():
    """The picture of an eight holds what the paper does not: the darkest pixels are those of the pen."""
    darkest = [
        [handwriting.draw(text, stream(seed), 0.0).min() for text in ("", "8")]
        for seed in range(30)
    ]
    paper, written = np.mean(darkest, axis=0)
    assert written < paper - 40


@pytest.mark.parametrize("digit", range(10))
def test_each_way_to_write_a_digit_fills_its_box(digit):
    for variant in handwriting.DIGITS[digit]:
        points = np.concatenate(
            [piece for chain in handwriting._parsed(variant) for piece in chain]
        )
        assert points.min() >= -0.1 and points.max() <= 1.1
        assert (
            points[:, 1].min() <= 0.06 and points[:, 1].max() >= 0.98
        )  # from the upper line to the lower


def test_a_curve_leads_through_its_points():
    points = stream().uniform(0.0, 1.0, (5, 2))
    curve = handwriting.curve(points)
    assert curve.shape == (7 * 4, 2)
    np.testing.assert_allclose(curve[::7], points[:-1], atol=1e-12)
    np.testing.assert_allclose(curve[6::7], points[1:], atol=1e-12)


def test_a_curve_through_points_on_a_line_stays_on_it():
    along = np.array([0.0, 1.0, 2.0, 3.0])
    curve = handwriting.curve(np.stack([along, 2.0 * along + 1.0], axis=1))
    np.testing.assert_allclose(curve[:, 1], 2.0 * curve[:, 0] + 1.0, atol=1e-12)


def test_paper_keeps_to_its_range():
    for seed in range(10):
        sheet = handwriting.paper((90, 41), stream(seed), 1.0)
        assert sheet.shape == (41, 90, 3) and sheet.dtype == np.float32
        assert 0.0 < sheet.min() and sheet.max() <= 1.0
