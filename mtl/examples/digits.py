"""digits: 1,797 handwritten digits of 8x8 pixels, with three labels for each.

The images come with scikit-learn: the test set of Alpaydin and Kaynak 1998, "Optical Recognition of
Handwritten Digits", UCI Machine Learning Repository. The file does not say who wrote which digit,
so a writer can be in all splits.
"""

import numpy as np

from mtl import examples

DATASET = "npz"
TASKS = "digit:10,odd:2,above_four:2"
BOTTOM = "small"
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
BRIGHTEST = 16  # in scikit-learn's images


def splits():
    """Return the splits, dict split -> dict: images uint8 [n, 8, 8], and a label for each task."""
    bunch = examples.load("scikit-learn", "sklearn.datasets").load_digits()
    images = np.rint(bunch.images * (255 / BRIGHTEST)).astype(np.uint8)
    digits = bunch.target.astype(np.int32)
    parts = examples.divide(digits, SHARES, examples.generator(1))
    return {name: _labelled(images[part], digits[part]) for name, part in parts.items()}


def _labelled(images, digits):
    above_four = (digits > 4).astype(np.int32)
    return {"images": images, "digit": digits, "odd": digits % 2, "above_four": above_four}
