"""Images adapted to the size, channels and type of a network."""

import numpy as np
import pytest
from PIL import Image

from mtl.data import adapt
from mtl.errors import DataError
from mtl.inputs import Inputs

IMAGES = np.random.default_rng(1).integers(0, 256, (3, 9, 12, 3), np.uint8)
GREY = IMAGES[..., :1]


def test_images_that_fit_are_unchanged():
    assert adapt.adapted(IMAGES, Inputs((9, 12, 3), 5)) is IMAGES


def test_resizes_as_pillow_does():
    got = adapt.adapted(IMAGES, Inputs((20, 7, 3), 0))
    for image, resized in zip(IMAGES, got):
        wanted = Image.fromarray(image).resize((7, 20), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(resized, np.asarray(wanted))


def test_converts_between_grey_and_rgb():
    rgb = adapt.adapted(GREY, Inputs((9, 12, 3), 0))
    np.testing.assert_array_equal(rgb, np.repeat(GREY, 3, axis=3))
    np.testing.assert_array_equal(adapt.adapted(rgb, Inputs((9, 12, 1), 0)), GREY)
    grey = adapt.adapted(IMAGES, Inputs((9, 12, 1), 0))
    for image, converted in zip(IMAGES, grey):
        wanted = np.asarray(Image.fromarray(image).convert("L"), int)
        assert np.abs(converted[..., 0] - wanted).max() <= 1


def test_converts_between_uint8_and_floats():
    floats = adapt.adapted(GREY, Inputs((9, 12, 1), 0, "float32"))
    np.testing.assert_array_equal(floats, np.float32(GREY) / 255)
    np.testing.assert_array_equal(adapt.adapted(floats, Inputs((9, 12, 1), 0)), GREY)


def test_float_images_are_resized_without_rounding():
    floats = adapt.adapted(np.float32(GREY) / 255, Inputs((4, 5, 1), 0, "float32"))
    assert floats.dtype == np.float32 and 0 <= floats.min() and floats.max() <= 1
    whole = adapt.adapted(GREY, Inputs((4, 5, 1), 0))
    np.testing.assert_allclose(255 * floats, whole, atol=1)


def test_window_applies_only_if_the_data_decides():
    assert adapt.delivered("x", GREY) is GREY
    assert adapt.delivered("x", GREY, window=7).shape == (3, 7, 7, 1)
    assert adapt.delivered("x", GREY, Inputs((5, 6, 3), 0), 7).shape == (3, 5, 6, 3)
    features = np.ones((3, 4), np.float32)
    assert adapt.delivered("x", features, window=7) is features


@pytest.mark.parametrize(
    "values, inputs, reason",
    [
        (
            GREY,
            Inputs((4,), 0, "float32"),
            "uint8 images .*, but the network takes float32 features",
        ),
        (np.ones((3, 4), np.float32), Inputs(), "features .4., but the network takes uint8 images"),
        (np.ones((3, 4), np.float32), Inputs((5,), 0, "float32"), "features .4., but .* .5.; use"),
    ],
)
def test_other_inputs_than_in_training_are_rejected(values, inputs, reason):
    with pytest.raises(DataError, match=f"^x: has .*{reason}"):
        adapt.delivered("x", values, inputs)
