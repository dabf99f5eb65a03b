"""mtl.model: the values that a network computes, and the arguments that it rejects."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CROPPED, EACH_BOTTOM, IMAGE_SIZE, image_placeholder, random_images, run_graph
from mtl import bottoms, layers, model
from mtl.tasks import NUMBER_TASKS, Task

NAMES = [task.name for task in NUMBER_TASKS]

each_bottom = pytest.mark.parametrize("bottom", EACH_BOTTOM)


# -- values ----------------------------------------------------------------------------------------


def test_a_top_is_one_dense_layer_on_the_features():
    with tf.Graph().as_default(), tf.Session() as session:
        images = image_placeholder()
        net = model.build(images, seed=3)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        session.run(tf.global_variables_initializer())
        for task in NUMBER_TASKS:
            variables[f"{task.name}/b"].load(np.arange(task.outputs, dtype=np.float32), session)
        fetches = [net.features, net.logits, net.log_probs, variables]
        features, logits, log_probs, weights = session.run(fetches, {images: random_images(5)})
    for name in NAMES:
        expected = np.float64(features) @ weights[f"{name}/w"] + weights[f"{name}/b"]
        np.testing.assert_allclose(logits[name], expected, rtol=1e-4, atol=1e-4)
        expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(log_probs[name], expected, rtol=1e-4, atol=1e-4)


@each_bottom
def test_brightness_of_an_image_changes_nothing(bottom):
    pixels = random_images(5)
    # Each image gets its own brightness, so that subtracting a mean of the batch would fail.
    brightness = np.float32([0.0, 0.25, -0.5, 1.0, -3.0]).reshape(5, 1, 1, 1)
    colour = np.float32([1, 0, 0])
    with tf.Graph().as_default(), tf.Session() as session:
        images = image_placeholder()
        net = model.build(images, bottom=bottom)
        session.run(tf.global_variables_initializer())
        plain = session.run(net.features, {images: pixels})
        brighter = session.run(net.features, {images: pixels + brightness})
        redder = session.run(net.features, {images: pixels + colour})
    np.testing.assert_allclose(brighter, plain, rtol=1e-3, atol=1e-4)
    assert np.abs(redder - plain).max() > 0.01


def test_an_image_without_contrast_gives_zero_features():
    pixels = np.full([2, *IMAGE_SIZE], 0.5, np.float32)
    features = run_graph(lambda: model.build(pixels).features)
    np.testing.assert_allclose(features, 0, atol=1e-5)  # all biases are 0 at first


@each_bottom
def test_bf16_differs_from_fp32_only_by_rounding(bottom):
    pixels = random_images(5)
    features = {}
    with tf.Graph().as_default(), tf.Session() as session:
        for precision in ("fp32", "bf16"):
            with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
                net = model.build(pixels, bottom=bottom, precision=precision)
            features[precision] = net.features
            outputs = [net.features, *net.logits.values(), *net.log_probs.values()]
            types = {each.dtype.base_dtype for each in [*outputs, *tf.global_variables()]}
            assert types == {tf.float32}
        session.run(tf.global_variables_initializer())
        features = session.run(features)
    difference = np.abs(features["bf16"] - features["fp32"]).max()
    # bfloat16 has 8 bits of precision. Processors without it round more often: after the eleven
    # layers of paper the difference is 0.08.
    assert 0 < difference < 0.12 * np.abs(features["fp32"]).max()


def initial_weights(seed):
    def build():
        model.build(image_placeholder(), bottom="mlp", seed=seed)
        return {variable.op.name: variable for variable in tf.global_variables()}

    return run_graph(build)


def test_seed_decides_the_initial_weights():
    first, same, other = initial_weights(1), initial_weights(1), initial_weights(2)
    for name, value in first.items():
        np.testing.assert_array_equal(value, same[name])
        if name.endswith("/w"):
            assert not np.any(value == other[name]), name


def test_dropout_applies_only_in_training():
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(random_images(7))
        step = tf.constant(1, tf.int64)
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            training = model.build(images, training=True, dropout=0.5, step=step)
            inference = model.build(images, training=False, dropout=0.5)
            plain = model.build(images)
        session.run(tf.global_variables_initializer())
        fetches = [training.features, inference.features, plain.features]
        training, inference, plain = session.run(fetches)
    np.testing.assert_array_equal(inference, plain)
    assert 0.4 < np.mean(training[plain > 0] == 0) < 0.6


def outputs_with(absent):
    """Return the logits and the log probabilities of a network with a seventh task, as arrays."""
    tasks = [*NUMBER_TASKS, Task("colour", 11)]

    def build():
        net = model.build(random_images(5), bottom="mlp", absent=absent, tasks=tasks)
        return net.logits, net.log_probs

    return run_graph(build)


def test_mask_makes_only_the_last_class_of_digits_impossible():
    plain_logits, plain = outputs_with("x")
    logits, masked = outputs_with("mask")
    for name in ("length", "colour"):
        np.testing.assert_array_equal(masked[name], plain[name])
    for name in NAMES[1:]:
        assert logits[name].shape == (5, 11)
        np.testing.assert_array_equal(logits[name][:, :10], plain_logits[name][:, :10])
        assert np.isfinite(masked[name]).all()
        probabilities = np.exp(masked[name])
        assert (probabilities[:, 10] == 0.0).all()
        np.testing.assert_allclose(probabilities[:, :10].sum(axis=1), 1.0, rtol=1e-5)


# -- towers ----------------------------------------------------------------------------------------


def logits_and_gradients(bottom, towers):
    """Return dicts of arrays: the logits of 7 images, and the gradient of each weight."""
    pixels = random_images(7, seed=6)

    def build():
        net = model.build(pixels, bottom=bottom, training=True, seed=5, towers=towers)
        cost = tf.add_n([tf.reduce_sum(logits * logits) for logits in net.logits.values()])
        weights = tf.trainable_variables()
        names = [weight.op.name for weight in weights]
        return net.logits, dict(zip(names, tf.gradients(cost, weights)))

    return run_graph(build)


@pytest.mark.parametrize("bottom", ["mlp", "base"])
def test_towers_change_neither_outputs_nor_gradients(bottom):
    expected = logits_and_gradients(bottom, towers=1)
    found = logits_and_gradients(bottom, towers=3)  # of 2, 2 and 3 images
    for expected_values, values in zip(expected, found):
        assert list(values) == list(expected_values)
        for name, value in expected_values.items():
            tolerance = 1e-5 * np.abs(value).max()
            np.testing.assert_allclose(values[name], value, rtol=1e-3, atol=tolerance, err_msg=name)


def drop_half(x, *, seed):
    step = tf.constant(4, tf.int64)
    x = layers.dropout(layers.flatten(x), "drop", 0.5, seed=seed, step=step)
    return bottoms.Bottom(x, {})


def test_towers_drop_different_values():
    image = np.random.default_rng(6).random([1, *CROPPED]).astype(np.float32)
    copies = np.repeat(image, 4, axis=0)
    features = run_graph(lambda: bottoms._in_towers(drop_half, tf.constant(copies), 2, seed=3)[0])
    assert features.shape == (4, np.prod(CROPPED))
    dropped = features == 0.0
    assert not np.array_equal(dropped[0], dropped[2])
    assert 0.4 < dropped.mean() < 0.6


# -- to_float --------------------------------------------------------------------------------------


def test_to_float_divides_by_255():
    values = np.arange(256, dtype=np.uint8)
    found = run_graph(lambda: model.to_float(tf.constant(values)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values / 255.0, rtol=1e-7)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.int32, tf.bool])
def test_to_float_rejects_all_types_but_uint8(dtype):
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(dtype, [None, *IMAGE_SIZE], "pixels")
        with pytest.raises(ValueError) as caught:
            model.to_float(images)
        assert [operation.name for operation in graph.get_operations()] == ["pixels"]
    assert str(caught.value) == (
        f"images must be a tensor of type uint8, got pixels:0 of type {dtype.name}; "
        "pass float32 in 0..1 to model.build as they are"
    )


# -- rejected arguments ----------------------------------------------------------------------------


def rejects(message, images=None, **arguments):
    """Assert that model.build raises a ValueError with a message in a new graph."""
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        model.build(image_placeholder() if images is None else images, **arguments)


def test_rejects_unknown_names_and_lists_the_known_ones():
    rejects("bottom=smal must be one of mlp, tiny, light, small, base, paper", bottom="smal")
    rejects("precision=half must be one of fp32, bf16", precision="half")
    rejects("absent=X must be one of x, mask", absent="X")


def test_rejects_dropout_without_a_step():
    message = "scope dropout1 needs the training step"
    rejects(message, bottom="mlp", training=True, dropout=0.5)


def build_on_placeholder(dtype, shape):
    with tf.Graph().as_default():
        try:
            model.build(tf.placeholder(dtype, shape, "images"))
        finally:
            assert tf.global_variables() == []


def test_rejects_images_without_four_axes():
    with pytest.raises(ValueError, match="layer shared takes a tensor of rank 4, got images:0"):
        build_on_placeholder(tf.float32, [None, 21, 13])


@pytest.mark.parametrize("shape", [[None, None, 13, 3], [None, 21, None, 3], [None, 21, 13, None]])
def test_rejects_images_without_a_static_size(shape):
    with pytest.raises(ValueError, match="static height, width.*images:0"):
        build_on_placeholder(tf.float32, shape)


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int32, tf.float64, tf.bfloat16])
def test_rejects_images_that_are_not_float32(dtype):
    with pytest.raises(ValueError) as caught:
        build_on_placeholder(dtype, [None, *IMAGE_SIZE])
    assert str(caught.value) == (
        f"images must be a tensor of type float32, got images:0 of type {dtype.name}; "
        "use model.to_float for uint8 pixels, tf.cast(images, tf.float32) for other floats"
    )


def test_checks_the_type_of_arrays():
    pixels = random_images(5)
    with tf.Graph().as_default():
        assert model.build(pixels, bottom="mlp").features.shape.as_list()[0] == 5
    rejects("uint8; use model.to_float", np.uint8(255 * pixels), bottom="mlp")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="of type float32; pass float32"):
        model.to_float(pixels)
