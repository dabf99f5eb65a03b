"""mtl.bottoms: shapes, names and sizes of variables, the layers of the paper, and dropout."""

import math
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import IMAGE_SIZE
from mtl import bottoms, config

FEATURES = {"mlp": 256, "tiny": 128, "light": 320, "small": 512, "base": 320, "paper": 3072}
# The number of filters of each convolution.
CONVOLUTIONS = {
    "mlp": [],
    "tiny": [16, 32, 48],
    "light": [32, 64, 96, 96, 192],
    "small": [48, 64, 128, 192],
    "base": [32, 64, 96, 96, 192, 192],
    "paper": [48, 64, 128, 160, 192, 192, 192, 192],
}
# How often a stride or a pooling halves the height and the width.
HALVINGS = {
    "mlp": (0, 0),
    "tiny": (3, 2),
    "light": (5, 4),
    "small": (4, 4),
    "base": (4, 3),
    "paper": (4, 4),
}

each_bottom = pytest.mark.parametrize("name", config.BOTTOMS)


def build(name, height=IMAGE_SIZE[0], width=IMAGE_SIZE[1]):
    """Build a bottom; return the placeholders of images and step, and the features."""
    images = tf.placeholder(tf.float32, [None, height, width, 3], "images")
    step = tf.placeholder(tf.int64, [], "step")
    with tf.variable_scope("shared"):
        bottom = getattr(bottoms, name)(images, dropout=0.0, seed=3, step=step)
    return images, step, bottom.features


def normal_images(count, seed):
    return np.random.default_rng(seed).normal(size=[count, *IMAGE_SIZE])


def sizes_after(graph, kind):
    """Return [height, width] after each operation of a type."""
    operations = [each for each in graph.get_operations() if each.type == kind]
    return [each.outputs[0].shape.as_list()[1:3] for each in operations]


def test_every_bottom_is_tested_here():
    assert list(config.BOTTOMS) == list(FEATURES) == list(CONVOLUTIONS) == list(HALVINGS)


@each_bottom
def test_each_image_becomes_one_feature_vector(name):
    x = normal_images(5, seed=1)
    with tf.Graph().as_default(), tf.Session() as session:
        images, _, features = build(name)
        assert features.dtype == tf.float32
        assert features.shape.as_list() == [None, FEATURES[name]]
        session.run(tf.global_variables_initializer())
        batch = session.run(features, {images: x})
        single = session.run(features, {images: x[2:3]})
    assert batch.shape == (5, FEATURES[name])
    assert batch.min() == 0.0 < batch.max()
    # The other images of a batch have no influence.
    np.testing.assert_allclose(single, batch[2:3], rtol=1e-4, atol=1e-5)


def expected_shapes(name, height, width):
    """Return the documented shape of each variable, dict name -> list."""
    shapes = {}
    channels = 3
    for number, filters in enumerate(CONVOLUTIONS[name], start=1):
        size = 5 if number == 1 or name == "paper" else 3
        maxout = name == "paper" and number == 1
        units = 3 * filters if maxout else filters
        shapes[f"conv{number}/w"] = [size, size, channels, units]
        shapes[f"conv{number}/b"] = [units]
        channels = filters
    vertical, horizontal = HALVINGS[name]
    positions = math.ceil(height / 2**vertical) * math.ceil(width / 2**horizontal)
    shapes["dense1/w"] = [positions * channels, FEATURES[name]]
    shapes["dense1/b"] = [FEATURES[name]]
    if name == "paper":
        shapes["local1/w"] = [positions, 5 * 5 * 192, 192]
        shapes["local1/b"] = [positions, 1, 192]
        shapes["dense2/w"] = [3072, 3072]
        shapes["dense2/b"] = [3072]
    return {f"shared/{variable}": shape for variable, shape in shapes.items()}


@each_bottom
@pytest.mark.parametrize("height, width", [(54, 54), (21, 13)])
def test_variables_have_the_documented_names_and_shapes(name, height, width):
    with tf.Graph().as_default():
        build(name, height, width)
        shapes = {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}
    assert shapes == expected_shapes(name, height, width)


@pytest.mark.parametrize("name, widths", [("small", [27, 14, 7, 4]), ("base", [54, 27, 14, 7])])
def test_feature_maps_shrink_and_those_of_base_stay_wider(name, widths):
    with tf.Graph().as_default() as graph:
        build(name, 54, 54)
    sizes = [sizes_after(graph, "Conv2D")[0], *sizes_after(graph, "MaxPool")]
    assert sizes == [[height, width] for height, width in zip([27, 14, 7, 4], widths)]


def test_tiny_shrinks_with_strides_and_without_pooling():
    with tf.Graph().as_default() as graph:
        build("tiny", 36, 36)
    assert sizes_after(graph, "Conv2D") == [[18, 18], [9, 18], [5, 9]]
    assert sizes_after(graph, "MaxPool") == []


def test_rows_of_light_shrink_before_its_columns():
    with tf.Graph().as_default() as graph:
        build("light", 54, 54)
    convolved = [[27, 27], [14, 27], [7, 14], [7, 14], [4, 7]]
    assert sizes_after(graph, "Conv2D") == convolved
    assert sizes_after(graph, "MaxPool") == [[4, 7], [2, 4]]


def zero(session, *layers):
    """Set the kernels of some layers to 0."""
    for variable in tf.global_variables():
        if variable.op.name in [f"shared/{layer}/w" for layer in layers]:
            variable.load(np.zeros(variable.shape.as_list(), np.float32), session)


@pytest.mark.parametrize("name, residual", [("base", ["conv4", "conv6"]), ("light", ["conv4"])])
def test_second_convolution_of_a_stage_is_residual(name, residual):
    # They are added to their inputs. conv2 starts a stage and is not.
    with tf.Graph().as_default(), tf.Session() as session:
        images, _, features = build(name)
        session.run(tf.global_variables_initializer())
        feed = {images: normal_images(3, seed=4)}
        zero(session, *residual)
        assert session.run(features, feed).max() > 0.0
        zero(session, "conv2")
        assert session.run(features, feed).max() == 0.0


# -- paper -----------------------------------------------------------------------------------------


def test_paper_has_as_many_weights_as_its_text_implies():
    with tf.Graph().as_default():
        build("paper", 54, 54)
        weights = {}
        for variable in tf.global_variables():
            _, layer, kind = variable.op.name.split("/")
            if kind == "w":
                weights[layer] = variable.shape.num_elements()
    assert weights["conv1"] == 5 * 5 * 3 * (3 * 48)
    assert weights["local1"] == 4 * 4 * (5 * 5 * 192) * 192
    assert round(weights["local1"] / 1e6, 1) == 14.7
    # Without local1, with 48 plain filters in the first layer and with the six tops, there are
    # 23.4 million.
    tops = 3072 * (7 + 5 * 11)
    convolutions = sum(count for layer, count in weights.items() if layer.startswith("conv"))
    maxout_extra = 5 * 5 * 3 * (2 * 48)
    total = convolutions - maxout_extra + weights["dense1"] + weights["dense2"] + tops
    assert round(total / 1e6, 1) == 23.4


def test_paper_has_its_layers_in_order():
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 54, 54, 3], "images")
        bottoms.paper(images, dropout=0.3, seed=3, step=tf.placeholder(tf.int64, [], "step"))
    names = [operation.name for operation in graph.get_operations()]
    matches = [re.match(r"([a-z]+\d+)/", name) for name in names]
    layers = list(dict.fromkeys(match[1] for match in matches if match))
    expected = []
    for number in range(1, 9):
        expected += [f"{kind}{number}" for kind in ("conv", "pool", "norm", "dropout")]
    expected.insert(2, "maxout1")
    expected += ["local1", "dropout9", "dense1", "dropout10", "dense2", "dropout11"]
    assert layers == expected
    sizes = (27, 27, 14, 14, 7, 7, 4, 4)
    assert sizes_after(graph, "MaxPool") == [[size, size] for size in sizes]


# -- dropout ---------------------------------------------------------------------------------------


# In paper every layer has dropout.
@pytest.mark.parametrize("name", [name for name in config.BOTTOMS if name != "paper"])
def test_dropout_applies_to_the_features_and_depends_on_the_step(name):
    x = normal_images(7, seed=2)
    with tf.Graph().as_default(), tf.Session() as session:
        images, step, features = build(name)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True), tf.variable_scope("shared"):
            dropped = getattr(bottoms, name)(images, dropout=0.5, seed=3, step=step).features
        session.run(tf.global_variables_initializer())
        whole, first = session.run([features, dropped], {images: x, step: 1})
        again = session.run(dropped, {images: x, step: 1})
        later = session.run(dropped, {images: x, step: 2})
    np.testing.assert_array_equal(first, again)
    assert np.any((first == 0) != (later == 0))
    assert 0.4 < np.mean(first[whole > 0] == 0) < 0.6
    np.testing.assert_allclose(first[first != 0], 2 * whole[first != 0], rtol=1e-5)
