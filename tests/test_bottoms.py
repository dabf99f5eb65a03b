"""The shared bottoms: shapes, names, and where dropout sits."""

import math
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import bottoms, config

FEATURES = {"mlp": 256, "small": 512, "base": 320, "paper": 3072}
CONVOLUTIONS = {
    "mlp": [],
    "small": [48, 64, 128, 192],
    "base": [32, 64, 96, 96, 192, 192],
    "paper": [48, 64, 128, 160, 192, 192, 192, 192],
}
HALVINGS = {
    "mlp": (0, 0),
    "small": (4, 4),
    "base": (4, 3),
    "paper": (4, 4),
}  # down and across: the first stride, then the poolings


def build(name, height=21, width=13, dropout=0.0):
    images = tf.placeholder(tf.float32, [None, height, width, 3], "images")
    step = tf.placeholder(tf.int64, [], "step")
    with tf.variable_scope("shared"):
        return images, step, getattr(bottoms, name)(images, dropout=dropout, seed=3, step=step).features


def test_every_bottom_is_tested_here():
    assert list(config.BOTTOMS) == list(FEATURES) == list(CONVOLUTIONS) == list(HALVINGS)


@pytest.mark.parametrize("name", config.BOTTOMS)
def test_images_become_one_feature_vector_each(name):
    with tf.Graph().as_default(), tf.Session() as session:
        images, _, features = build(name)
        assert features.dtype == tf.float32 and features.shape.as_list() == [None, FEATURES[name]]
        session.run(tf.global_variables_initializer())
        x = np.random.default_rng(1).normal(size=[5, 21, 13, 3])
        out = session.run(features, {images: x})
        assert out.shape == (5, FEATURES[name])
        assert out.min() == 0.0 < out.max()  # rectified, and alive
        # Each image stands alone: a batch of one gives the same vector as its row of a batch of five.
        np.testing.assert_allclose(
            session.run(features, {images: x[2:3]}), out[2:3], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", config.BOTTOMS)
@pytest.mark.parametrize("height, width", [(54, 54), (21, 13)])
def test_variables_lie_under_shared_with_the_documented_sizes(name, height, width):
    with tf.Graph().as_default():
        build(name, height, width)
        shapes = {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}
    expected, channels = {}, 3
    for number, filters in enumerate(CONVOLUTIONS[name], start=1):
        size = 5 if number == 1 or name == "paper" else 3
        made = 3 * filters if number == 1 and name == "paper" else filters  # maxout of three
        expected[f"shared/conv{number}/w"] = [size, size, channels, made]
        expected[f"shared/conv{number}/b"] = [made]
        channels = filters
    down, across = HALVINGS[name]
    places = math.ceil(height / 2**down) * math.ceil(width / 2**across)
    expected["shared/dense1/w"] = [places * channels, FEATURES[name]]
    expected["shared/dense1/b"] = [FEATURES[name]]
    if name == "paper":
        expected["shared/local1/w"], expected["shared/local1/b"] = (
            [places, 5 * 5 * 192, 192],
            [places, 1, 192],
        )
        expected["shared/dense2/w"], expected["shared/dense2/b"] = [3072, 3072], [3072]
    assert shapes == expected


@pytest.mark.parametrize("name, widths", [("small", [27, 14, 7, 4]), ("base", [54, 27, 14, 7])])
def test_54_pixels_shrink_to_27_14_7_4_and_base_keeps_more_columns(name, widths):
    with tf.Graph().as_default() as graph:
        build(name, 54, 54)
        operations = graph.get_operations()
        first = next(op for op in operations if op.type == "Conv2D").outputs[0].shape.as_list()[1:3]
        pools = [op.outputs[0].shape.as_list()[1:3] for op in operations if op.type == "MaxPool"]
    assert [first, *pools] == [[height, width] for height, width in zip([27, 14, 7, 4], widths)]


def test_the_second_convolution_of_a_stage_adds_to_what_it_is_given():
    with tf.Graph().as_default(), tf.Session() as session:
        images, _, features = build("base")
        session.run(tf.global_variables_initializer())
        x = np.random.default_rng(4).normal(size=[3, 21, 13, 3])
        with tf.variable_scope("shared", reuse=True):
            kernels = {number: tf.get_variable(f"conv{number}/w") for number in (2, 4, 6)}
        session.run(
            [
                kernels[4].assign(tf.zeros_like(kernels[4])),
                kernels[6].assign(tf.zeros_like(kernels[6])),
            ]
        )
        assert (
            session.run(features, {images: x}).max() > 0.0
        )  # what adds nothing lets through what it was given
        session.run(kernels[2].assign(tf.zeros_like(kernels[2])))
        assert (
            session.run(features, {images: x}).max() == 0.0
        )  # and the first of a stage has nothing to add to


def test_the_parameters_of_the_paper_are_those_derived_from_its_text():
    with tf.Graph().as_default():
        build("paper", 54, 54)
        kernels = [
            variable for variable in tf.global_variables() if variable.op.name.endswith("/w")
        ]
        weights = {
            variable.op.name.split("/")[1]: variable.shape.num_elements() for variable in kernels
        }
    # With 48 plain filters in the first layer 23.4 million weights, six tops included; 14.7 more in the locally connected layer.
    tops = 3072 * (7 + 5 * 11)
    convolutions = sum(count for name, count in weights.items() if name.startswith("conv"))
    plain = convolutions - 2 * 5 * 5 * 3 * 48 + weights["dense1"] + weights["dense2"] + tops
    assert round(plain / 1e6, 1) == 23.4
    assert (
        weights["local1"] == 4 * 4 * (5 * 5 * 192) * 192
        and round(weights["local1"] / 1e6, 1) == 14.7
    )
    assert weights["conv1"] == 5 * 5 * 3 * 144


def test_the_layers_of_the_paper_in_their_order():
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 54, 54, 3], "images")
        bottoms.paper(images, dropout=0.3, seed=3, step=tf.placeholder(tf.int64, [], "step"))
        scopes = list(
            dict.fromkeys(
                op.name.split("/")[0]
                for op in graph.get_operations()
                if re.match(r"[a-z]+\d+/", op.name)
            )
        )
        pools = [
            op.outputs[0].shape.as_list()[1:3]
            for op in graph.get_operations()
            if op.type == "MaxPool"
        ]
    convolutional = [
        f"{kind}{number}" for number in range(1, 9) for kind in ("conv", "pool", "norm", "dropout")
    ]
    convolutional.insert(2, "maxout1")
    assert scopes == [
        *convolutional,
        "local1",
        "dropout9",
        "dense1",
        "dropout10",
        "dense2",
        "dropout11",
    ]
    assert pools == [[size, size] for size in (27, 27, 14, 14, 7, 7, 4, 4)]


@pytest.mark.parametrize(
    "name", [name for name in config.BOTTOMS if name != "paper"]
)  # there it falls on every layer
def test_dropout_falls_on_the_features_and_follows_the_step(name):
    with tf.Graph().as_default(), tf.Session() as session:
        images, step, whole = build(name)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True), tf.variable_scope("shared"):
            dropped = getattr(bottoms, name)(images, dropout=0.5, seed=3, step=step).features
        session.run(tf.global_variables_initializer())
        x = np.random.default_rng(2).normal(size=[7, 21, 13, 3])
        full, first, again, later = (
            session.run(tensor, {images: x, step: at})
            for tensor, at in ((whole, 1), (dropped, 1), (dropped, 1), (dropped, 2))
        )
        np.testing.assert_array_equal(first, again)
        assert np.any((first == 0) != (later == 0))
        alive = full > 0
        assert 0.4 < np.mean(first[alive] == 0) < 0.6
        np.testing.assert_allclose(first[first != 0], 2 * full[first != 0], rtol=1e-5)
