"""Checks of images, crops, and the order of batches of examples in memory and of windows."""

import functools
import itertools
import re

import numpy as np
import pytest

from mtl.data import batches
from mtl.data.examples import Examples
from mtl.inputs import NUMBERS, Inputs
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

# -- check_inputs ----------------------------------------------------------------------------------


def floats(*shape):
    return np.random.default_rng(3).random(shape, np.float32)


IMAGES = Inputs((21, 13, 3), crop=0)
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
        (np.zeros((21, 13, 3), np.uint8), "uint8 [21, 13, 3]; pass one image as values[None]"),
        (np.zeros((5, 21, 13, 1), np.uint8), "uint8 [5, 21, 13, 1]; resize them"),
        (np.zeros((), np.uint8), "uint8 []; resize them"),
        ([[[[7]]]], "list; pass a NumPy array"),
        (None, "NoneType; pass a NumPy array"),
    ],
)
def test_rejects_images_of_another_dtype_or_shape(images, got):
    with pytest.raises(ValueError) as caught:
        batches.check_inputs(images, IMAGES)
    wanted = "inputs must be uint8 [n, 21, 13, 3] with values 0 to 255"
    assert str(caught.value) == f"{wanted}, got {got}"


@pytest.mark.parametrize(
    "inputs, values, message",
    [
        (Inputs((7,), 0, "float32"), floats(5, 6), "[n, 7], got float32 [5, 6]; give each"),
        (Inputs((7,), 0, "float32"), floats(7), "[n, 7], got float32 [7]; pass one example as"),
        (
            Inputs((7,), 0, "float32"),
            np.zeros((5, 7)),
            "float64 [5, 7]; convert them with np.float32",
        ),
        (
            Inputs((9, 8, 1), 0, "float32"),
            np.zeros((5, 9, 8, 1), np.uint8),
            "[n, 9, 8, 1] with values 0 to 1, got uint8 [5, 9, 8, 1]; convert them with "
            "np.float32(values / 255)",
        ),
        (Inputs((9, 8, 1), 5), np.zeros((2, 9, 8, 1), np.uint8), "uint8 [n, 5, 5, 1] with values"),
    ],
)
def test_rejects_other_features_floats_and_images_before_the_crop(inputs, values, message):
    with pytest.raises(ValueError, match=f"^crops must be .*{re.escape(message)}"):
        batches.check_inputs(values, inputs, "crops")


def test_rejects_a_tensor():
    tf = pytest.importorskip("tensorflow.compat.v1")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Tensor; pass a NumPy array"):
        batches.check_inputs(tf.placeholder(tf.uint8, [None, None, None, 3]), IMAGES)


def test_accepts_inputs_of_the_shape_and_type():
    batches.check_inputs(np.zeros((5, 21, 13, 3), np.uint8), IMAGES)
    batches.check_inputs(np.zeros((0, 21, 13, 3), np.uint8), IMAGES)
    batches.check_inputs(np.zeros((5, 21, 13, 3), np.uint8)[::2, ::-1], Inputs((21, 13, 3), 0))
    batches.check_inputs(np.zeros((5, 7, 7, 1), np.uint8), Inputs((21, 13, 1), 7))
    batches.check_inputs(floats(5, 7), Inputs((7,), 0, "float32"))


@pytest.mark.parametrize("images", [floats(5, 67, 71, 3).astype(np.float64), [[1]]])
def test_crops_reject_other_types(images):
    for call in (
        lambda: batches.centre_crop(images, 5),
        lambda: batches.random_crops(images, [0], np.random.default_rng(0), 5),
    ):
        with pytest.raises(ValueError, match="images must be an array of uint8 or float32, got "):
            call()


@pytest.mark.parametrize("height, width", [(53, 71), (71, 53)])
def test_crops_reject_images_that_are_too_small(height, width):
    images = np.zeros((5, height, width, 3), np.uint8)
    reason = rf"at least 54 x 54 pixels, got \[5, {height}, {width}, 3\]; resize"
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


@pytest.mark.parametrize("shape", [(5, 9, 7, 1), (5, 7)])
def test_no_crop_gives_the_whole_inputs(shape):
    values = floats(*shape)
    assert batches.centre_crop(values, 0) is values
    chosen = batches.random_crops(values, np.array([3, 0, 3]), np.random.default_rng(0), 0)
    np.testing.assert_array_equal(chosen, values[[3, 0, 3]])


def test_float_images_are_cropped_without_rounding():
    images = floats(2, 9, 7, 1)
    crops = batches.random_crops(images, [1], np.random.default_rng(0), 7)
    assert crops.dtype == np.float32
    assert any((crops[0] == images[1, top : top + 7]).all() for top in range(3))


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


def test_source_gives_the_labels_of_its_own_tasks():
    features = floats(7, 4)
    labels = {"kind": np.arange(7, dtype=np.int32) - 1, "size": features[:, 0]}
    examples = Examples(features, labels, list("abcdefg"))
    crops = functools.partial(batches.random_crops, size=0)
    for values, found in take(batches.from_arrays(examples, 3, 5, crops), 4, 5):
        assert list(found) == ["kind", "size"] and found["kind"].dtype == np.int32
        np.testing.assert_array_equal(values, features[found["kind"] + 1])
        np.testing.assert_array_equal(found["size"], values[:, 0])


def test_arrays_of_different_lengths_are_rejected():
    examples = Examples(floats(7, 4), {"kind": np.zeros(6, np.int32)}, list("abcdefg"))
    with pytest.raises(ValueError, match="^6 kind for 7 examples; give one for each"):
        batches.from_arrays(examples, 3, 5)


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
