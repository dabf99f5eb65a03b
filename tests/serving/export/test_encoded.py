"""mtl.serving.export.encoded against mtl.data.images."""

import functools
import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.data import images
from mtl.inputs import Inputs
from mtl.serving.export import encoded

GREY = Inputs((20, 28, 1), 0, "float32")
RNG = np.random.default_rng(0)
PHOTOGRAPH = Image.fromarray(RNG.integers(0, 256, (9, 12, 3)).astype(np.uint8)).resize(
    (160, 120), Image.Resampling.BICUBIC
)
ALPHA = Image.fromarray(RNG.integers(0, 256, (120, 160)).astype(np.uint8))


def coded(image, format="PNG", **options):
    """Return the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def with_alpha(image):
    image = image.copy()
    image.putalpha(ALPHA)
    return image


FILES = {
    "png": coded(PHOTOGRAPH),
    "jpeg": coded(PHOTOGRAPH, "JPEG", quality=80),
    "progressive jpeg": coded(PHOTOGRAPH, "JPEG", progressive=True),
    "grey jpeg": coded(PHOTOGRAPH.convert("L"), "JPEG"),
    "bmp": coded(PHOTOGRAPH, "BMP"),
    "grey": coded(PHOTOGRAPH.convert("L")),
    "palette": coded(PHOTOGRAPH.convert("P")),
    "transparent": coded(with_alpha(PHOTOGRAPH)),
    "transparent grey": coded(with_alpha(PHOTOGRAPH.convert("L"))),
    "transparent palette": coded(PHOTOGRAPH.convert("P"), transparency=3),
    "one bit": coded(PHOTOGRAPH.convert("1")),
    "one pixel": coded(PHOTOGRAPH.resize((1, 1))),
    "wide": coded(PHOTOGRAPH.resize((700, 9))),
    "small": coded(PHOTOGRAPH.resize((31, 17))),
    "of the window's size": coded(PHOTOGRAPH.resize((64, 64))),
}
NEARLY = {
    "gif": coded(PHOTOGRAPH, "GIF"),
    "animation": coded(PHOTOGRAPH, "GIF", save_all=True, append_images=[PHOTOGRAPH.rotate(180)]),
    "cmyk": coded(PHOTOGRAPH.convert("CMYK"), "JPEG"),
    "16 bits": coded(Image.fromarray(RNG.integers(0, 65536, (90, 99)).astype(np.uint16))),
    "tall": coded(PHOTOGRAPH.resize((20, 700))),
    "two megapixels": coded(PHOTOGRAPH.resize((1600, 1300))),
}


@pytest.fixture(scope="module")
def pixels():
    """A function (list of bytes, inputs) -> array; each graph is built once."""

    @functools.cache
    def built(inputs):
        with tf.Graph().as_default() as graph:
            taken = tf.placeholder(tf.string, [None])
            made = encoded.pixels(taken, inputs)
            return tf.Session(graph=graph).make_callable(made, [taken])

    return lambda files, inputs: built(inputs)(files)


def by_predict(file, inputs):
    return images.window(images.read("a", io.BytesIO(file)), inputs=inputs)


def test_pixels_are_those_of_predict(pixels):
    found = pixels(list(FILES.values()), Inputs())
    assert (found.shape, found.dtype) == ((len(FILES), 64, 64, 3), np.uint8)
    for name, file, each in zip(FILES, FILES.values(), found):
        np.testing.assert_array_equal(each, by_predict(file, Inputs()), err_msg=name)


def test_other_images_differ_by_at_most_one_level(pixels):
    found = pixels(list(NEARLY.values()), Inputs())
    for name, file, each in zip(NEARLY, NEARLY.values(), found):
        difference = np.abs(each.astype(int) - by_predict(file, Inputs()))
        assert difference.max() <= 1, name


def test_converts_to_grey_and_to_floats(pixels):
    names = ("png", "grey", "transparent")
    found = pixels([FILES[name] for name in names], GREY)
    assert (found.shape, found.dtype) == ((3, 20, 28, 1), np.float32)
    for name, each in zip(names, found):
        # The grey value of a pixel may round to either side.
        expected = by_predict(FILES[name], GREY)
        np.testing.assert_allclose(each, expected, atol=1.01 / 255, err_msg=name)
        assert (np.abs(each - expected) > 1e-6).mean() < 0.01, name


def test_transparent_parts_are_mid_grey(pixels):
    clear = coded(Image.new("RGBA", (30, 20), (255, 0, 0, 0)))
    assert np.unique(pixels([clear], Inputs())).tolist() == [128]


def test_no_image_gives_no_pixels(pixels):
    assert pixels([], Inputs()).shape == (0, 64, 64, 3)


def test_a_file_that_is_no_image_is_an_error(pixels):
    for file in (b"", b"text", FILES["png"][:100], FILES["jpeg"][:100]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            pixels([FILES["png"], file], Inputs())
