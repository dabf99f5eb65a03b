"""mtl.serving.export.pillow against Pillow."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.serving.export import pillow


def by_pillow(images, height, width):
    """Resize images [n, rows, columns, channels] with Pillow."""
    found = []
    for image in images:
        bands = [Image.fromarray(image[:, :, channel]) for channel in range(image.shape[2])]
        resized = [band.resize((width, height), Image.Resampling.BILINEAR) for band in bands]
        found.append(np.stack([np.asarray(band) for band in resized], axis=2))
    return np.stack(found)


def by_graph(images, height, width):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(pillow.resized(tf.constant(images, tf.float32), height, width))


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    "rows, columns, channels, height, width",
    [
        (64, 64, 3, 54, 54),
        (64, 64, 3, 36, 36),
        (48, 64, 1, 32, 32),
        (20, 33, 3, 40, 21),  # one axis grows, the other shrinks
        (16, 16, 2, 64, 64),
        (90, 500, 1, 28, 28),  # the sums of many weights
        (1, 1, 1, 5, 4),
        (7, 9, 3, 7, 9),  # no change
    ],
)
def test_gives_the_pixels_of_pillow(rows, columns, channels, height, width):
    images = random_images(5, rows, columns, channels)
    found = by_graph(images, height, width)
    np.testing.assert_array_equal(found, by_pillow(images, height, width))


def test_black_and_white_stay():
    for level in (0, 255):
        images = np.full([1, 64, 64, 1], level, np.uint8)
        assert np.unique(by_graph(images, 54, 54)).tolist() == [level]


def test_tall_images_differ_by_at_most_one_level():
    images = random_images(3, 200, 50, 1)
    difference = by_graph(images, 28, 28) - by_pillow(images, 28, 28)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("size, target", [(64, 54), (33, 64), (500, 28), (1, 3), (5, 5)])
def test_weights_in_the_graph_equal_those_in_numpy(size, target):
    expected = pillow.weights(size, target)
    assert expected.shape == (size, target)
    assert np.abs(expected.sum(axis=0) / 2**22 - 1).max() < 1e-5
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(pillow.weights_of(tf.constant(size), target))
    np.testing.assert_array_equal(found, expected)
