"""Checks of images, crops, and the order of batches of examples in memory and of windows."""

import itertools

import numpy as np
import pytest

from mtl.data import batches
from mtl.data.examples import of_numbers
from mtl.inputs import NUMBERS
from tests.data.numbered import (
    Windows,
    assert_same,
    check_batch,
    different,
    in_memory,
    numbered,
    take,
    which,
)

# -- check_images ----------------------------------------------------------------------------------


def floats(*shape):
    return np.random.default_rng(3).random(shape, np.float32)


FLOATS = "convert floats in 0..1 with np.rint(255 * images).astype(np.uint8)"
INTEGERS = "convert integers in 0..255 with images.astype(np.uint8)"


@pytest.mark.parametrize(
    "images, got",
    [
        (floats(5, 21, 13, 3), f"float32 [5, 21, 13, 3]; {FLOATS}"),
        (floats(5, 21, 13, 3).astype(np.float64), f"float64 [5, 21, 13, 3]; {FLOATS}"),
        (floats(5, 21, 13, 3).astype(np.float16), f"float16 [5, 21, 13, 3]; {FLOATS}"),
        (np.zeros((5, 21, 13, 3), int), f"int64 [5, 21, 13, 3]; {INTEGERS}"),
        (np.zeros((5, 21, 13, 3), np.int8), f"int8 [5, 21, 13, 3]; {INTEGERS}"),
        (np.zeros((5, 21, 13, 3), bool), f"bool [5, 21, 13, 3]; {INTEGERS}"),
        (np.zeros((21, 13, 3), np.uint8), "uint8 [21, 13, 3]; pass one image as images[None]"),
        (np.zeros((5, 21, 13, 1), np.uint8), "uint8 [5, 21, 13, 1]; resize them"),
        (np.zeros((), np.uint8), "uint8 []; resize them"),
        ([[[[7]]]], "list; pass a NumPy array"),
        (None, "NoneType; pass a NumPy array"),
    ],
)
def test_rejects_images_of_another_dtype_or_shape(images, got):
    with pytest.raises(ValueError) as caught:
        batches.check_images(images)
    wanted = "images must be uint8 [n, height, width, 3] with values 0 to 255"
    assert str(caught.value) == f"{wanted}, got {got}"


def test_rejects_a_tensor():
    tf = pytest.importorskip("tensorflow.compat.v1")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Tensor; pass a NumPy array"):
        batches.check_images(tf.placeholder(tf.uint8, [None, None, None, 3]))


def test_accepts_uint8_images_of_the_shape():
    batches.check_images(np.zeros((5, 21, 13, 3), np.uint8))
    batches.check_images(np.zeros((0, 21, 13, 3), np.uint8))
    batches.check_images(np.zeros((5, 21, 13, 3), np.uint8)[::2, ::-1])
    batches.check_images(np.zeros((5, 21, 13, 2), np.uint8), ("n", 21, 13, 2), least=13)
    with pytest.raises(ValueError, match=r"^crops must be uint8 \[n, 21, 12, 2\] with values"):
        batches.check_images(np.zeros((5, 21, 13, 2), np.uint8), ("n", 21, 12, 2), "crops")


def test_crops_and_sources_reject_floats():
    images, numbers = floats(5, 67, 71, 3), list("12345")

    def windows(first_step):
        yield images, numbers

    def crops(images, indices, rng):
        raise AssertionError("the images must be rejected before they are cropped")

    for call in (
        lambda: batches.centre_crop(images),
        lambda: batches.random_crops(images, [0], np.random.default_rng(0)),
        lambda: batches.from_arrays(of_numbers(images, numbers, numbers), 2, 0),
        lambda: next(batches.from_windows(windows, 0, crops)(0)),
    ):
        with pytest.raises(ValueError, match="images must be uint8 .*got float32 .*np.rint"):
            call()


@pytest.mark.parametrize("height, width", [(53, 71), (71, 53)])
def test_crops_reject_images_that_are_too_small(height, width):
    images = np.zeros((5, height, width, 3), np.uint8)
    reason = rf"at least 54 x 54 pixels, got uint8 \[5, {height}, {width}, 3\]; resize"
    with pytest.raises(ValueError, match=reason):
        batches.centre_crop(images)
    with pytest.raises(ValueError, match=reason):
        batches.random_crops(images, [0], np.random.default_rng(0))


# -- crops -----------------------------------------------------------------------------------------


def test_random_crops_use_every_offset():
    draws = 121 * 12
    crops = batches.random_crops(numbered(0, 3)[0], np.arange(draws) % 3, np.random.default_rng(5))
    offsets = crops[:, 0, 0, :2].astype(int)
    # Each crop is one piece of the image, neither resampled nor wrapped around.
    steps = np.arange(NUMBERS.crop)
    np.testing.assert_array_equal(crops[:, :, 0, 0], offsets[:, :1] + steps)
    np.testing.assert_array_equal(crops[:, 0, :, 1], offsets[:, 1:] + steps)
    assert (crops[:, :, :, 0] == crops[:, :, :1, 0]).all()
    assert (crops[:, :, :, 1] == crops[:, :1, :, 1]).all()
    choices = NUMBERS.shape[0] - NUMBERS.crop + 1
    counts = np.zeros((choices, choices), int)
    np.add.at(counts, (offsets[:, 0], offsets[:, 1]), 1)
    for axis in (0, 1):  # 132 expected, standard deviation 11
        assert counts.sum(axis=axis).min() > 80
        assert counts.sum(axis=axis).max() < 190
    assert (counts > 0).mean() > 0.99


def test_random_crops_copy_the_chosen_images():
    images, _ = numbered(0, 4)
    before = images.copy()
    crops = batches.random_crops(images, np.array([3, 0, 3]), np.random.default_rng(0), size=7)
    assert crops.shape == (3, 7, 7, 3)
    assert which(crops).tolist() == [3, 0, 3]
    crops[...] = 0
    np.testing.assert_array_equal(images, before)


def test_random_crop_as_large_as_the_image_is_the_image():
    images = np.random.default_rng(1).integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
    crops = batches.random_crops(images, [1, 0], np.random.default_rng(0), size=9)
    np.testing.assert_array_equal(crops, images[::-1])


@pytest.mark.parametrize(
    "height, width, size, top, left", [(9, 11, 5, 2, 3), (8, 6, 3, 2, 1), (5, 5, 5, 0, 0)]
)
def test_centre_crop_is_a_view_of_the_centre(height, width, size, top, left):
    images = np.random.default_rng(2).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    crops = batches.centre_crop(images, size)
    np.testing.assert_array_equal(crops, images[:, top : top + size, left : left + size])
    assert np.shares_memory(crops, images)


# -- order -----------------------------------------------------------------------------------------


def test_generators_differ_in_every_part_of_their_key():
    keys = itertools.product([0, 1, 2], [1, 2], [0, 1, 2])
    draws = {key: batches.generator(*key).integers(2**60) for key in keys}
    assert len(set(draws.values())) == len(draws)
    assert draws[2, 1, 0] == batches.generator(2, 1, 0).integers(2**60)


@pytest.mark.parametrize("count", [1, 2, 5, 7, 12])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 13])
def test_epochs_cover_every_position_in_order(count, batch_size):
    for step in range(2 * count + 3):
        parts = batches.epochs(count, batch_size, step)
        found = [(epoch, at) for epoch, first, last in parts for at in range(first, last)]
        positions = range(step * batch_size, (step + 1) * batch_size)
        assert found == [divmod(position, count) for position in positions]
        assert len({epoch for epoch, _, _ in parts}) == len(parts), "an epoch has one part"


@pytest.mark.parametrize("count, batch_size", [(12, 4), (7, 3), (5, 13), (1, 2), (6, 6)])
def test_each_epoch_visits_every_image_once(count, batch_size):
    steps = -(-4 * count // batch_size)
    taken = take(in_memory(count, batch_size), 0, steps)
    found = np.concatenate([check_batch(batch, batch_size) for batch in taken])
    orders = [found[first : first + count].tolist() for first in range(0, 4 * count, count)]
    for order in orders:
        assert sorted(order) == list(range(count))
    if count > 4:
        assert len({tuple(order) for order in orders}) == 4, "each epoch has its own order"


@pytest.mark.parametrize("count, batch_size", [(7, 3), (5, 13)])
def test_source_from_step_k_continues_the_source_from_0(count, batch_size):
    source = in_memory(count, batch_size, seed=3)
    whole = take(source, 0, 9)
    for first in range(9):
        assert_same(take(source, first, 9 - first), whole[first:])
    assert_same(take(in_memory(count, batch_size, seed=3), 0, 9), whole)
    assert different(take(in_memory(count, batch_size, seed=4), 0, 9), whole)


def test_image_has_a_new_crop_each_time():
    taken = take(in_memory(2, 2), 0, 30)
    offsets = {tuple(crop[0, 0, :2]) for crops, _ in taken for crop in crops}
    assert len(offsets) > 30  # of 60 draws among 121 offsets


def test_source_of_windows_keeps_their_order_and_crops_by_step():
    windows = Windows()
    source = batches.from_windows(windows, 5)
    whole = take(source, 0, 6)
    for step, batch in enumerate(whole):
        assert check_batch(batch, 3).tolist() == [3 * step, 3 * step + 1, 3 * step + 2]
        images, _ = numbered(3 * step, 3)
        rng = batches.generator(5, batches.CROPS, step)
        np.testing.assert_array_equal(batch[0], batches.random_crops(images, range(3), rng))
    assert_same(take(source, 4, 2), whole[4:])
    assert (windows.started, windows.closed) == ([0, 4], 2)
    assert different(take(batches.from_windows(Windows(), 6), 0, 6), whole)
