"""Arrays of images and features: what is accepted, and errors that name the example."""

import numpy as np
import pytest

from mtl.data import arrays
from mtl.errors import DataError

FLOATS = np.random.default_rng(4).random((5, 9, 8))


def changed(values, index, value):
    values = values.copy()
    values[index] = value
    return values


def test_grey_images_get_a_channel():
    assert arrays.images("x", np.zeros((5, 9, 8), np.uint8)).shape == (5, 9, 8, 1)
    assert arrays.images("x", np.zeros((0, 9, 8, 3), np.uint8)).shape == (0, 9, 8, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_images_become_float32(dtype):
    found = arrays.images("x", FLOATS.astype(dtype))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 0], FLOATS.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    "values, reason",
    [
        (np.zeros((5, 9, 8), int), "are int64 [5, 9, 8], not uint8, or floats in 0..1; convert"),
        (np.zeros((5, 9, 8), bool), "are bool [5, 9, 8], not uint8"),
        (np.zeros((5, 9, 8, 2), np.uint8), "are uint8 [5, 9, 8, 2], not [n, height, width] or"),
        (np.zeros((5, 9), np.uint8), "are uint8 [5, 9], not [n, height, width]"),
        (np.zeros((5, 0, 8), np.uint8), "are uint8 [5, 0, 8], not [n, height, width]"),
        (np.uint8(3), "are uint8 [], not [n, height, width]"),
        ([[1]], "are list [1, 1], not"),
        (changed(FLOATS, (3, 2, 1), np.nan), ", example 3: the pixel nan is not in 0..1; replace"),
        (changed(FLOATS, (2, 0, 0), np.inf), ", example 2: the pixel inf is not in 0..1; replace"),
        (changed(FLOATS, (4, 0, 0), 1.5), ", example 4: the pixel 1.5 is not in 0..1; divide by"),
        (changed(FLOATS, (0, 0, 0), -0.5), ", example 0: the pixel -0.5 is not in 0..1; divide"),
    ],
)
def test_other_images_are_rejected(values, reason):
    with pytest.raises(DataError) as caught:
        arrays.images("x.npz", values)
    assert str(caught.value).startswith(
        f"x.npz: images{reason if reason[0] == ',' else ' ' + reason}"
    )


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint8, bool])
def test_features_become_float32(dtype):
    values = np.arange(20).reshape(5, 4).astype(dtype)
    found = arrays.features("x", values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    "values, reason",
    [
        (np.zeros(5), " are float64 [5], not numbers [n, d]; store one row"),
        (np.zeros((5, 0)), " are float64 [5, 0], not numbers [n, d]"),
        (np.zeros((5, 2), "U3"), " are <U3 [5, 2], not numbers [n, d]"),
        (changed(np.zeros((5, 4)), (3, 2), np.nan), ", example 3, column 2: nan is not a finite"),
        (changed(np.zeros((5, 4)), (1, 0), 1e300), ", example 1, column 0: 1e+300 is not a finite"),
    ],
)
def test_other_features_are_rejected(values, reason):
    with pytest.raises(DataError) as caught:
        arrays.features("x.npz", values)
    assert str(caught.value).startswith(f"x.npz: features{reason}")
