"""Augmented crops: their shape, their randomness, and how far the strength changes them."""

import numpy as np
import pytest

from mtl.data import augment
from mtl.inputs import Inputs


def generator(seed=3):
    return np.random.default_rng(seed)


def squares():
    """Return a dark and a light image of 64 x 64, each with a square of the opposite inside."""
    images = np.full((2, 64, 64, 3), 40, np.uint8)
    images[1] = 200
    images[0, 22:42, 22:42] = 200
    images[1, 22:42, 22:42] = 40
    return images


def middle(crops):
    return crops[:, 24:30, 24:30].astype(float).mean(axis=(1, 2, 3))


def corner(crops):
    return crops[:, :4, :4].astype(float).mean(axis=(1, 2, 3))


def test_crops_have_the_given_size_and_leave_the_images_unchanged():
    images = squares()
    crops = augment.changed_crops(images, [1, 0, 1], generator(), 1.0, size=(54, 54))
    assert crops.shape == (3, 54, 54, 3)
    assert crops.dtype == np.uint8
    np.testing.assert_array_equal(images, squares())


def test_rejects_inputs_that_are_not_uint8_images():
    for inputs in (Inputs((9, 8, 1), 0, "float32"), Inputs((7,), 0, "float32")):
        with pytest.raises(ValueError, match="--augment=0.5 changes uint8 images, not float32"):
            augment.crops(0.5, inputs)
        assert augment.crops(0.0, inputs)(np.ones((2, *inputs.shape)), [1], None).shape[0] == 1


def test_grey_images_of_any_size_are_changed():
    images = np.random.default_rng(5).integers(0, 256, (3, 9, 12, 1), np.uint8)
    changed = augment.crops(1.0, Inputs((9, 12, 1), 0))(images, [2, 0], generator())
    assert changed.shape == (2, 9, 12, 1) and changed.dtype == np.uint8
    assert (changed != images[[2, 0]]).any(axis=(1, 2, 3)).all()
    cropped = augment.crops(1.0, Inputs((9, 12, 1), 8))(images, [2, 0], generator())
    assert cropped.shape == (2, 8, 8, 1)


def test_only_the_generator_decides():
    first, again, other = (
        augment.changed_crops(squares(), [0, 1], generator(seed), 1.0) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_image_changes_differently_each_time():
    crops = augment.changed_crops(squares(), [0] * 7, generator(), 1.0)
    assert all((crops[i] != crops[j]).any() for i in range(7) for j in range(i))


def test_strength_near_0_gives_a_plain_crop():
    # A ramp: the crop's fraction of a pixel shifts its values, but not its slopes.
    rows, columns = np.mgrid[0:64, 0:64]
    ramps = np.stack([2 * rows + columns, rows + 2 * columns, rows + columns], axis=2)
    crop = augment.changed_crops(ramps.astype(np.uint8)[None], [0], generator(), 1e-6)[0]
    down = np.diff(crop.astype(int), axis=0)
    right = np.diff(crop.astype(int), axis=1)
    for channel, (by_row, by_column) in enumerate([(2, 1), (1, 2), (1, 1)]):
        assert abs(down[..., channel].mean() - by_row) < 0.05
        assert abs(right[..., channel].mean() - by_column) < 0.05


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_contrast_never_vanishes(strength):
    crops = augment.changed_crops(squares(), [0, 1] * 30, generator(), strength)
    assert (np.abs(middle(crops) - corner(crops)) > 10).all()


def test_one_image_in_four_becomes_its_negative():
    crops = augment.changed_crops(squares(), [0] * 200, generator(), 1.0)
    negative = middle(crops) < corner(crops)
    assert 0.15 < negative.mean() < 0.35


def test_edge_is_continued_beyond_the_image():
    plain = np.full((1, 64, 64, 3), 90, np.uint8)
    crops = augment.changed_crops(plain, [0] * 50, generator(), 1.0)
    # Black from outside the image would show as a larger range.
    assert (np.ptp(crops.reshape(50, -1, 3).astype(int), axis=1) <= 1).all()
