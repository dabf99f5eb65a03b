"""Boxes, and the windows cut out of images."""

import numpy as np
import pytest
from PIL import Image

from mtl.data import adapt, images
from mtl.inputs import NUMBERS, Inputs
from tests.image_files import noise

WINDOW = NUMBERS.shape[0]
NAN, INF = float("nan"), float("inf")


def test_window_of_the_whole_image():
    image = Image.fromarray(noise(90, 50))
    got = images.window(image)
    assert got.shape == (WINDOW, WINDOW, 3) and got.dtype == np.uint8 and got.flags.writeable
    wanted = image.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(got, np.asarray(wanted))


def test_box_of_the_windows_size_is_copied():
    pixels = noise(WINDOW + 9, WINDOW + 4)
    got = images.window(Image.fromarray(pixels), (3, 7, 3 + WINDOW, 7 + WINDOW))
    np.testing.assert_array_equal(got, pixels[7 : 7 + WINDOW, 3 : 3 + WINDOW])


def test_window_has_the_shape_and_type_of_the_inputs():
    image = Image.fromarray(noise(90, 50))
    inputs = Inputs((20, 30, 1), 16, "float32")
    got = images.window(image, (3, 7, 40, 80), inputs)
    whole = images.window(image, (3, 7, 40, 80), Inputs((20, 30, 3), 16))
    np.testing.assert_array_equal(got, adapt.adapted(whole[None], inputs)[0])
    assert whole.shape == (20, 30, 3) and got.shape == (20, 30, 1) and got.dtype == np.float32


def test_box_is_clipped_to_the_image():
    image = Image.fromarray(noise(30, 40))
    window = images.window(image, (-5.5, 10, 22, 99))
    np.testing.assert_array_equal(window, images.window(image, (0, 10, 22, 30)))


def test_shrinking_averages():
    # Stripes of one pixel, shrunk to a third. Sampling would keep black and white.
    pixels = np.zeros((3 * WINDOW, 3 * WINDOW, 3), np.uint8)
    pixels[:, ::2] = 255
    assert np.abs(images.window(Image.fromarray(pixels)).astype(int) - 127).max() < 50


@pytest.mark.parametrize("box", [(40, 0, 50, 9), (-9, 0, 0, 9), (5, 30, 7, 31), (5, -8, 7, -1)])
def test_rejects_a_box_outside_the_image(box):
    with pytest.raises(ValueError, match="outside the image of 40 x 30"):
        images.window(Image.new("RGB", (40, 30)), box)


@pytest.mark.parametrize(
    "box, reason",
    [
        ((5, 6, 5, 9), "the box from 5, 6 to 5, 9 has no width"),
        ((5, 9, 7, 9), "has no height"),
        ((9, 0, 2, 9), "has a negative width"),
        ((2, 9, 9, 4), "has a negative height"),
        ((60, 0, 60, 9), "has no width"),
        ((NAN, 0, 5, 9), "the box from nan, 0 to 5, 9 is not finite"),
        ((0, 1, 5, NAN), "is not finite"),
        ((0, -INF, 5, INF), "is not finite"),
    ],
)
def test_rejects_a_box_without_size(box, reason):
    with pytest.raises(ValueError) as caught:
        images.clipped(box, (40, 30))
    assert str(caught.value).endswith(reason)


def test_grown_box_surrounds_all_boxes():
    # The box of both is 10..30 by 4..14, around (20, 9). 1.3 times its size is 26 by 13.
    assert images.grown([(10, 6, 18, 14), (21, 4, 30, 12)]) == pytest.approx((7, 2.5, 33, 15.5))
    assert images.grown([(0, 0, 10, 20)]) == pytest.approx((-1.5, -3, 11.5, 23))
