"""The view of the text plane, and what is sampled there."""

import numpy as np
import pytest

from mtl.data.drawn import camera


def choose_views(box, difficulty, count):
    """Return the corners [count, 4, 2], the widths and the heights of random views."""
    views = [
        camera.choose_view(box, np.random.Generator(np.random.Philox(seed)), difficulty)
        for seed in range(count)
    ]
    corners, widths, heights = zip(*views)
    return np.array(corners), np.array(widths), np.array(heights)


def area(corners):
    """Return the area of a quadrilateral, by the shoelace formula."""
    x, y = corners.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
@pytest.mark.parametrize("digits", [1, 3, 7])
def test_view_surrounds_the_box(difficulty, digits):
    box = np.array([100.0, 80.0, 100.0 + 13 * digits, 102.0])
    size = box[2:] - box[:2]
    corners, widths, heights = choose_views(box, difficulty, 300)
    assert corners.shape == (300, 4, 2)
    # Counterclockwise from the upper left. A few are turned so far that a corner passes the middle.
    centre = (box[:2] + box[2:]) / 2
    assert (corners[:, :2, 0] < centre[0]).mean() > 0.98
    assert (corners[:, 2:, 0] > centre[0]).mean() > 0.98
    assert (corners[:, 0, 1] < corners[:, 1, 1]).all()
    assert (corners[:, 3, 1] < corners[:, 2, 1]).all()
    # The mean view contains the whole box.
    mean = ((corners - box[:2]) / size).mean(axis=0)
    assert (mean[[0, 1], 0] < 0).all() and (mean[[2, 3], 0] > 1).all()
    assert (mean[[0, 3], 1] < 0).all() and (mean[[1, 2], 1] > 1).all()
    # No view cuts much off. The box fills a third of it, or less where it is a lone digit.
    areas = np.array([area(quad) for quad in corners]) / size.prod()
    assert areas.min() > 0.75
    assert np.median(areas) < 3.4
    assert (widths > 0).all()
    assert heights.min() > 0.75 * size[1]
    assert np.median(heights) < 2.0 * size[1]


def test_harder_views_lean_more():
    def lean(difficulty):
        corners, _, _ = choose_views((0.0, 0.0, 40.0, 22.0), difficulty, 200)
        return np.abs(corners[:, 1, 0] - corners[:, 0, 0]).mean()  # of the left side

    assert lean(1.0) > 1.5 * lean(0.0)


# -- sampling ------------------------------------------------------------------------------------


def straight(left, top, width, height):
    """Return the corners of an upright view."""
    right, bottom = left + width, top + height
    return np.array([[left, top], [left, bottom], [right, bottom], [right, top]], float)


@pytest.mark.parametrize(
    "level, distance", [(128, 0.0), (160, 2.0), (96, -2.0), (0, -8.0), (255, 127 / 16)]
)
def test_constant_field_is_sampled_as_its_distance(level, distance):
    corners = np.array([[11.0, 9.0], [8.0, 30.0], [50.0, 33.0], [47.0, 6.0]])
    shot = camera.Shot(np.full((40, 60), level, np.uint8), corners, (23, 17), 1.0)
    got = shot.distance()
    assert got.shape == (17, 23)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, distance)


def test_upright_view_samples_the_field_itself():
    field = np.random.default_rng(3).integers(0, 256, (30, 40), dtype=np.uint8)
    shot = camera.Shot(field, straight(7, 5, 19, 13), (19, 13), 1.0)
    expected = (field[5:18, 7:26].astype(np.float32) - 128) / 16
    np.testing.assert_allclose(shot.distance(), expected, atol=1 / 16)
    moved = (field[7:20, 8:27].astype(np.float32) - 128) / 16
    np.testing.assert_allclose(shot.distance(np.array([1.0, 2.0])), moved, atol=1 / 16)


def test_outside_the_plane_is_far_from_any_digit():
    shot = camera.Shot(np.full((30, 40), 200, np.uint8), straight(500, 500, 60, 40), (9, 7), 1.0)
    np.testing.assert_array_equal(shot.distance(), -camera.FAR)
