"""mtl.inference.views: what each view shows, and the mean of probabilities."""

import numpy as np
import pytest
from PIL import Image

from mtl.inference import views


def images_of(count=3):
    return np.random.default_rng(5).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_returns_the_given_number_of_crops(count):
    found = views.views(images_of(), count, 54)
    assert [view.shape for view in found] == [(3, 54, 54, 3)] * count
    assert {view.dtype for view in found} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_first_view_is_the_centre_crop(count):
    first, *_ = views.views(images_of(), count, 54)
    np.testing.assert_array_equal(first, images_of()[:, 5:59, 5:59])


def test_two_views_are_a_crop_and_its_negative():
    crop, negative = views.views(images_of(), 2, 54)
    np.testing.assert_array_equal(crop.astype(int) + negative, 255)


def test_four_views_include_the_whole_image():
    crop, whole, negative, whole_negative = views.views(images_of(), 4, 54)
    resized = Image.fromarray(images_of()[1]).resize((54, 54), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(whole[1], np.asarray(resized))
    np.testing.assert_array_equal(crop.astype(int) + negative, 255)
    np.testing.assert_array_equal(whole.astype(int) + whole_negative, 255)


def test_only_the_whole_image_shows_the_border():
    framed = np.zeros((1, 64, 64, 3), np.uint8)
    framed[:, :4] = 255
    crop, whole, _, _ = views.views(framed, 4, 54)
    assert crop.max() == 0 and whole.max() == 255


@pytest.mark.parametrize("count", [1, 2, 4])
def test_rejects_floats_and_lists(count):
    with pytest.raises(ValueError, match="uint8 or float32, got float64; convert them"):
        views.views(images_of() / 255.0, count, 54)
    with pytest.raises(ValueError, match="uint8 or float32, got list; convert them"):
        views.views(list(images_of()), count, 54)


def test_several_views_need_whole_pixels():
    floats = np.float32(images_of() / 255.0)
    np.testing.assert_array_equal(views.views(floats, 1, 54)[0], floats[:, 5:59, 5:59])
    with pytest.raises(ValueError, match="2 views need images of uint8, got float32; use 1 view"):
        views.views(floats, 2, 54)


def test_views_of_grey_images_are_those_of_equal_channels():
    grey = images_of()[:, :, :, :1]
    for one, three in zip(views.views(grey, 4, 54), views.views(np.repeat(grey, 3, 3), 4, 54)):
        np.testing.assert_array_equal(np.repeat(one, 3, axis=3), three)


def test_no_images_give_empty_views():
    assert [len(view) for view in views.views(images_of(0), 4, 54)] == [0, 0, 0, 0]


def test_averages_probabilities():
    # Four views of five images, seven classes.
    rows = np.random.default_rng(6).dirichlet(np.ones(7), (4, 5))
    outputs = [{"length": np.log(view).astype(np.float32)} for view in rows]
    mean = views.average(outputs)["length"]
    assert mean.dtype == np.float32
    np.testing.assert_allclose(np.exp(mean), rows.mean(axis=0), rtol=1e-5)


def test_a_single_view_is_returned_unchanged():
    outputs = {"digit1": np.zeros((3, 11), np.float32)}
    assert views.average([outputs]) is outputs


def test_average_keeps_minus_infinity_and_nan():
    rows = np.array([[-np.inf, 0.0], [np.nan, -1.0]], np.float32)
    mean = views.average([{"length": rows}] * 4)["length"]
    assert mean[0, 0] == -np.inf and mean[0, 1] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(mean[1, 0])
