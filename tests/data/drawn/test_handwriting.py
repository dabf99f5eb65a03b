"""Images of handwritten amounts."""

import collections

import numpy as np
import pytest

from mtl.data.drawn import handwriting


def rng(seed=11):
    return np.random.default_rng(seed)


def test_amounts_have_the_intended_lengths_and_no_leading_zero():
    generator = rng()
    amounts = [handwriting.number(generator) for _ in range(4000)]
    counts = collections.Counter(map(len, amounts))
    for length, share in enumerate(handwriting.LENGTHS):
        assert counts[length] / 4000 == pytest.approx(share, abs=0.025)
    assert all(amount.isdigit() and amount[0] != "0" for amount in amounts if amount)


def test_round_amounts_are_frequent():
    generator = rng()
    amounts = [handwriting.number(generator) for _ in range(4000)]
    # One in a thousand would be round by chance.
    assert np.mean([amount.endswith("000") for amount in amounts if len(amount) > 4]) > 0.1


def test_image_is_a_function_of_the_generator():
    image = handwriting.draw("4207", rng(), 0.7)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, handwriting.draw("4207", rng(), 0.7))
    assert (image != handwriting.draw("4207", rng(12), 0.7)).any()
    assert (image != handwriting.draw("4208", rng(), 0.7)).any()


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("text", ["", "1", "1111111", "9080706"])
def test_any_amount_can_be_drawn(text, difficulty):
    for seed in range(6):
        image = handwriting.draw(text, rng(seed), difficulty)
        assert image.shape == (64, 64, 3)
        assert image.std() > 0 or not text  # empty paper may have one colour


def test_ink_is_darker_than_paper():
    darkest = [
        [handwriting.draw(text, rng(seed), 0.0).min() for text in ("", "8")] for seed in range(30)
    ]
    paper, written = np.mean(darkest, axis=0)
    assert written < paper - 40


def test_paper_stays_in_range():
    for seed in range(10):
        paper = handwriting.paint_paper((90, 41), rng(seed), 1.0)
        assert paper.shape == (41, 90, 3)
        assert paper.dtype == np.float32
        assert 0.0 < paper.min() and paper.max() <= 1.0
