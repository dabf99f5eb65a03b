"""Colours, noise and masks."""

import numpy as np

from mtl.data.drawn import paint


def rng(seed):
    return np.random.Generator(np.random.Philox(seed))


def test_blend_weights_by_cover():
    image, cover = np.full((1, 3, 3), 0.2), np.array([[[0.0], [0.5], [1.0]]])
    np.testing.assert_allclose(paint.blend(image, np.ones(3), cover)[0, :, 0], [0.2, 0.6, 1.0])


def test_colour_has_at_most_the_brightness():
    for seed in range(200):
        value = rng(seed).random()
        rgb = paint.colour(rng(seed), value, 0.0)
        assert rgb.shape == (3,)
        assert rgb.dtype == np.float32
        assert 0.0 <= rgb.min() and rgb.max() <= 1.0
        assert rgb @ [0.3, 0.6, 0.1] <= value + 1e-6


def test_colours_are_greyer_on_streets():
    def spreads(realism):
        return np.array([np.ptp(paint.colour(rng(seed), 0.5, realism)) for seed in range(400)])

    assert np.median(spreads(0.0)) < 0.35
    assert (spreads(1.0) > 0.4).mean() < 0.8 * (spreads(0.0) > 0.4).mean()


def test_smooth_noise_is_smooth():
    noise = paint.smooth_noise((60, 40), (3, 4), rng(0))
    assert noise.shape == (40, 60, 1)
    steps = np.abs(np.diff(noise[:, :, 0], axis=1)).max()
    assert 0 < steps < 0.25 * np.ptp(noise)


def test_coverage_is_the_covered_share_of_a_pixel():
    distance = np.array([[-8.0, -0.25, 0.0], [0.125, 0.25, 9.0]], np.float32)
    cover = paint.coverage(distance, 2.0)
    assert cover.shape == (2, 3, 1)
    np.testing.assert_allclose(cover[:, :, 0], [[0.0, 0.0, 0.5], [0.75, 1.0, 1.0]])


def test_rectangle_is_1_inside_its_margins():
    mask = paint.rectangle((40, 20), [0.25, 0.1, 0.5, 0.2], 100.0)[:, :, 0]
    assert mask.dtype == np.float32
    expected = np.zeros((20, 40))
    expected[2:16, 10:20] = 1.0
    np.testing.assert_array_equal(mask, expected)


def test_ellipse_is_1_in_the_middle_and_0_in_the_corners():
    mask = paint.ellipse((41, 21), np.array([0.5, 0.5]))[:, :, 0]
    assert mask.dtype == np.float32
    assert mask[10, 20] == 1.0
    assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0.0
    np.testing.assert_allclose(mask, mask[::-1, ::-1], atol=1e-6)
