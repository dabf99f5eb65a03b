"""digits: every image of scikit-learn once, with three labels that follow from the digit."""

import numpy as np
from sklearn import datasets

from mtl.examples import digits


def test_every_image_is_in_one_split():
    bunch = datasets.load_digits()
    found = digits.splits()
    images = np.concatenate([split["images"] for split in found.values()])
    assert images.dtype == np.uint8 and images.max() == 255
    labels = np.concatenate([split["digit"] for split in found.values()])
    rows = np.column_stack([np.rint(images / (255 / 16)).reshape(-1, 64), labels])
    expected = np.column_stack([bunch.data, bunch.target])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(expected, axis=0))
    assert len(rows) == len(expected) == 1797


def test_splits_have_equal_shares_of_each_digit():
    found = digits.splits()
    counts = np.array([np.bincount(split["digit"]) for split in found.values()])
    assert list(found) == ["train", "validation", "test"]
    shares = counts / counts.sum(axis=0)
    np.testing.assert_allclose(shares, np.broadcast_to([[0.6], [0.2], [0.2]], (3, 10)), atol=0.004)


def test_labels_follow_from_the_digit():
    split = digits.splits()["test"]
    for digit, odd, above in zip(split["digit"], split["odd"], split["above_four"]):
        assert (odd, above) == (digit in (1, 3, 5, 7, 9), digit in (5, 6, 7, 8, 9))
