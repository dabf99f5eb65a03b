"""mtl/data/augment.py: changed crops keep what they show, are a function of the stream, and change it as far as the strength says."""

import numpy as np
import pytest

from mtl.data import augment


def stream(seed=3):
    return np.random.default_rng(seed)


def pictures():
    """Return two pictures of 64 x 64: a dark and a light one, with a square of its opposite in the middle."""
    images = np.full((2, 64, 64, 3), 40, np.uint8)
    images[1] = 200
    images[0, 22:42, 22:42] = 200
    images[1, 22:42, 22:42] = 40
    return images


def test_crops_have_the_size_asked_for_and_leave_the_images_alone():
    images = pictures()
    crops = augment.changed_crops(images, [1, 0, 1], stream(), 1.0, size=54)
    assert crops.shape == (3, 54, 54, 3) and crops.dtype == np.uint8
    np.testing.assert_array_equal(images, pictures())


def test_floats_are_refused():
    with pytest.raises(ValueError, match=r"got float64 \[2, 64, 64, 3\]; convert floats"):
        augment.changed_crops(pictures() / 255.0, [1, 0], stream(), 1.0)


def test_the_stream_alone_decides():
    first, again, other = (
        augment.changed_crops(pictures(), [0, 1], stream(seed), 1.0) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_each_showing_of_a_picture_is_another():
    crops = augment.changed_crops(pictures(), [0] * 7, stream(), 1.0)
    assert all((crops[i] != crops[j]).any() for i in range(7) for j in range(i))


def test_strength_goes_to_a_plain_crop():
    # All but the crop's fraction of a pixel vanishes: a picture without detail at the scale of a pixel stays what it is.
    rows, columns = np.mgrid[0:64, 0:64]
    smooth = np.stack([2 * rows + columns, rows + 2 * columns, rows + columns], axis=2).astype(
        np.uint8
    )[None]
    crop = augment.changed_crops(smooth, [0], stream(), 1e-6)[0].astype(int)
    down, right = np.diff(crop, axis=0), np.diff(crop, axis=1)
    for channel, (by_row, by_column) in enumerate([(2, 1), (1, 2), (1, 1)]):
        assert (
            abs(down[..., channel].mean() - by_row) < 0.05
            and abs(right[..., channel].mean() - by_column) < 0.05
        )


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_what_is_in_the_middle_stays_apart_from_its_ground(strength):
    crops = augment.changed_crops(pictures(), [0, 1] * 30, stream(), strength).astype(int)
    middle, corner = (
        crops[:, 24:30, 24:30].mean(axis=(1, 2, 3)),
        crops[:, :4, :4].mean(axis=(1, 2, 3)),
    )
    assert (np.abs(middle - corner) > 10).all()


def test_some_pictures_become_their_negatives_and_most_do_not():
    crops = augment.changed_crops(pictures(), [0] * 200, stream(), 1.0).astype(int)
    negative = crops[:, 24:30, 24:30].mean(axis=(1, 2, 3)) < crops[:, :4, :4].mean(axis=(1, 2, 3))
    assert 0.15 < negative.mean() < 0.35


def test_the_edge_is_continued_where_a_turn_looks_beyond_it():
    plain = np.full((1, 64, 64, 3), 90, np.uint8)
    crops = augment.changed_crops(plain, [0] * 50, stream(), 1.0)
    assert (
        np.ptp(crops.reshape(50, -1, 3).astype(int), axis=1) <= 1
    ).all()  # black from outside would show
