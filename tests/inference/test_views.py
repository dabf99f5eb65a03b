"""mtl/data/views.py: what the views of a picture show, and that averaging them is averaging probabilities."""

import numpy as np
import pytest
from PIL import Image

from mtl.inference import views


def pictures(n=3):
    return np.random.default_rng(5).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_there_are_as_many_as_asked_for(count):
    seen = views.views(pictures(), count, 54)
    assert [view.shape for view in seen] == [(3, 54, 54, 3)] * count
    assert {view.dtype for view in seen} == {np.dtype(np.uint8)}


def test_the_first_is_the_centre_crop_whatever_the_count():
    for count in (1, 2, 4):
        np.testing.assert_array_equal(
            views.views(pictures(), count, 54)[0], pictures()[:, 5:59, 5:59]
        )


def test_two_are_a_crop_and_its_negative():
    crop, negative = views.views(pictures(), 2, 54)
    np.testing.assert_array_equal(crop.astype(int) + negative, 255)


def test_four_show_the_whole_window_too():
    crop, whole, negative, whole_negative = views.views(pictures(), 4, 54)
    np.testing.assert_array_equal(
        whole[1],
        np.asarray(Image.fromarray(pictures()[1]).resize((54, 54), Image.Resampling.BILINEAR)),
    )
    np.testing.assert_array_equal(crop.astype(int) + negative, 255)
    np.testing.assert_array_equal(whole.astype(int) + whole_negative, 255)
    # What stands at the rim is cut off by the crop, not by the whole.
    framed = np.zeros((1, 64, 64, 3), np.uint8)
    framed[:, :4] = 255
    assert views.views(framed, 4, 54)[0].max() == 0 and views.views(framed, 4, 54)[1].max() == 255


@pytest.mark.parametrize("count", [1, 2, 4])
def test_floats_have_no_views(count):
    with pytest.raises(ValueError, match=r"got float64 \[3, 64, 64, 3\]; convert floats"):
        views.views(pictures() / 255.0, count, 54)
    with pytest.raises(ValueError, match="got list; pass a NumPy array"):
        views.views(list(pictures()), count, 54)


def test_no_pictures_have_no_views():
    assert [len(view) for view in views.views(pictures(0), 4, 54)] == [0, 0, 0, 0]


def test_the_average_is_that_of_the_probabilities():
    rows = np.random.default_rng(6).dirichlet(
        np.ones(7), (4, 5)
    )  # four views of five pictures, seven classes
    averaged = views.average([{"length": np.log(view).astype(np.float32)} for view in rows])[
        "length"
    ]
    assert averaged.dtype == np.float32
    np.testing.assert_allclose(np.exp(averaged), rows.mean(axis=0), rtol=1e-5)


def test_one_reading_is_its_own_average_bit_for_bit():
    reading = {
        "digit1": np.log(np.random.default_rng(7).dirichlet(np.ones(11), 3)).astype(np.float32)
    }
    assert views.average([reading]) is reading


def test_what_is_impossible_in_each_view_stays_so_and_nan_is_not_hidden():
    rows = np.array([[-np.inf, 0.0], [np.nan, -1.0]], np.float32)
    averaged = views.average([{"length": rows}] * 4)["length"]
    assert averaged[0, 0] == -np.inf and averaged[0, 1] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(averaged[1, 0])
