"""mtl.serving.export.views against mtl.inference.views."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.inference import views as in_numpy
from mtl.inputs import Inputs
from mtl.serving.export import views

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3)).astype(np.uint8)


def run(values, count, inputs):
    with tf.Graph().as_default(), tf.Session() as session:
        made = views.views(tf.constant(values), count, inputs)
        assert [each.dtype.name for each in made] == [inputs.dtype] * count
        return session.run(made)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_equal_to_those_of_predict(count, channels):
    images = IMAGES[..., :channels]
    found = run(images, count, Inputs((24, 24, channels), 20))
    expected = in_numpy.views(images, count, 20)
    assert len(found) == len(expected) == count
    for mine, theirs in zip(found, expected):
        np.testing.assert_array_equal(mine, theirs)


def test_without_a_crop_the_view_is_the_image():
    for values in (IMAGES, np.ones((2, 5), np.float32)):
        inputs = Inputs(values.shape[1:], 0, values.dtype.name)
        np.testing.assert_array_equal(run(values, 1, inputs)[0], values)


def test_the_crop_of_an_odd_margin_is_that_of_predict():
    images = IMAGES[:, :23, :22].astype(np.float32) / 255
    (found,) = run(images, 1, Inputs((23, 22, 3), 12, "float32"))
    np.testing.assert_array_equal(found, in_numpy.views(images, 1, 12)[0])


def test_averages_probabilities():
    rng = np.random.default_rng(1)
    each = np.log(rng.dirichlet(np.ones(5), (3, 4))).astype(np.float32)  # [views, n, classes]
    each[0, 0, 0] = -1e9  # an impossible class
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = {"a": tf.constant(each.reshape(12, 5))}
        found = session.run(views.average(outputs, 3))["a"]
        assert views.average(outputs, 1) is outputs
    expected = in_numpy.average([{"a": one} for one in each])["a"]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
