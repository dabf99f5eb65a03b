"""Each layer against NumPy with explicit loops, and what all layers have in common."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import run_graph
from mtl import layers


def run_layer(layer, x, rng):
    """Run a layer with random weights and biases; return its output, w and b.

    Args:
      layer: function (tensor) -> tensor, with the variables w and b.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, *x.shape[1:]])
        out = layer(images)
        variables = tf.global_variables()
        # Initial biases are 0, which would hide a missing bias.
        values = [np.float32(rng.normal(size=each.shape.as_list())) for each in variables]
        session.run([each.assign(value) for each, value in zip(variables, values)])
        w, b = values
        return session.run(out, {images: x}), w, b


# -- dense, conv, max_pool, flatten ----------------------------------------------------------------


def test_dense_multiplies_by_w_and_adds_b():
    rng = np.random.default_rng(1)
    x = np.float32(rng.normal(size=[3, 7]))
    out, w, b = run_layer(lambda x: layers.dense(x, "top", 5, seed=0), x, rng)
    assert w.shape == (7, 5)
    assert b.shape == (5,)
    expected = np.zeros([3, 5])
    for n, unit in np.ndindex(3, 5):
        expected[n, unit] = b[unit]
        for i in range(7):
            expected[n, unit] += float(x[n, i]) * float(w[i, unit])
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def conv_by_loops(x, w, b, stride):
    """Return the convolution of x with zero padding, in float64."""
    batch, height, width, channels = x.shape
    size = w.shape[0]
    rows = -(-height // stride)
    columns = -(-width // stride)
    # SAME pads as far as the last kernel reaches. An odd pixel is added below or on the right.
    top = max((rows - 1) * stride + size - height, 0) // 2
    left = max((columns - 1) * stride + size - width, 0) // 2
    out = np.zeros([batch, rows, columns, w.shape[3]])
    for n, row, column, target in np.ndindex(*out.shape):
        out[n, row, column, target] = b[target]
        for i, j, channel in np.ndindex(size, size, channels):
            y = row * stride + i - top
            z = column * stride + j - left
            if 0 <= y < height and 0 <= z < width:
                product = float(x[n, y, z, channel]) * float(w[i, j, channel, target])
                out[n, row, column, target] += product
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("height, width", [(5, 7), (4, 3), (1, 2)])
def test_conv_pads_with_zeros(size, stride, height, width):
    rng = np.random.default_rng(size)
    x = np.float32(rng.normal(size=[2, height, width, 3]))
    out, w, b = run_layer(
        lambda x: layers.conv(x, "conv", 4, size=size, stride=stride, seed=0), x, rng
    )
    assert w.shape == (size, size, 3, 4)
    assert b.shape == (4,)
    np.testing.assert_allclose(out, conv_by_loops(x, w, b, stride), rtol=1e-4, atol=1e-4)


def max_pool_by_loops(x, stride):
    """Return the largest pixel of each 2x2 window; NumPy cuts off the part beyond the border."""
    batch, height, width, channels = x.shape
    out = np.zeros([batch, -(-height // stride), -(-width // stride), channels], np.float32)
    for n, row, column, channel in np.ndindex(*out.shape):
        top = row * stride
        left = column * stride
        out[n, row, column, channel] = x[n, top : top + 2, left : left + 2, channel].max()
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height, width", [(5, 7), (4, 3), (1, 2)])
@pytest.mark.parametrize("shift", [0.0, -100.0], ids=["mixed", "negative"])
def test_max_pool_excludes_the_padding(stride, height, width, shift):
    # Where all values are negative, a padding of zeros would be the largest value.
    x = np.float32(np.random.default_rng(2).normal(size=[2, height, width, 3]) + shift)
    out = run_graph(lambda: layers.max_pool(tf.constant(x), "pool", stride=stride))
    np.testing.assert_array_equal(out, max_pool_by_loops(x, stride))


def test_flatten_joins_all_axes_but_the_first():
    x = np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7)
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 3, 5, 7])
        flat = layers.flatten(images)
        assert flat.shape.as_list() == [None, 105]
        np.testing.assert_array_equal(session.run(flat, {images: x}), x.reshape(2, 105))


# -- maxout, subtractive_norm, locally_connected ---------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_maxout_takes_the_largest_of_neighbouring_channels(pieces):
    x = np.float32(np.random.default_rng(3).normal(size=[2, 5, 3, 4 * pieces]))
    expected = np.zeros([2, 5, 3, 4], np.float32)
    for n, row, column, unit in np.ndindex(*expected.shape):
        first = unit * pieces
        expected[n, row, column, unit] = x[n, row, column, first : first + pieces].max()
    out = run_graph(lambda: layers.maxout(tf.constant(x), "maxout1", pieces=pieces))
    np.testing.assert_array_equal(out, expected)


def test_maxout_refuses_pieces_that_do_not_divide_the_channels():
    message = "maxout in scope maxout1: 3 pieces do not divide 7 channels"
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        layers.maxout(tf.zeros([2, 5, 3, 7]), "maxout1", pieces=3)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("height, width", [(6, 7), (2, 1)])
def test_subtractive_norm_subtracts_the_mean_around_each_pixel(size, height, width):
    x = np.float32(np.random.default_rng(size).normal(size=[2, height, width, 5]) + 3.0)
    reach = size // 2
    expected = np.zeros_like(x)
    for n, row, column in np.ndindex(2, height, width):
        top = max(row - reach, 0)
        left = max(column - reach, 0)
        around = x[n, top : row + reach + 1, left : column + reach + 1]
        expected[n, row, column] = x[n, row, column] - around.mean(dtype=np.float64)
    out = run_graph(lambda: layers.subtractive_norm(tf.constant(x), "norm1", size=size))
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_subtractive_norm_of_a_constant_image_is_zero_up_to_the_border():
    out = run_graph(lambda: layers.subtractive_norm(tf.fill([1, 4, 5, 3], 7.0), "norm1"))
    np.testing.assert_allclose(out, 0.0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("height, width", [(4, 3), (1, 2)])
def test_locally_connected_has_its_own_kernel_at_each_position(size, height, width):
    rng = np.random.default_rng(size)
    x = np.float32(rng.normal(size=[3, height, width, 5]))
    out, w, b = run_layer(
        lambda x: layers.locally_connected(x, "local", 4, size=size, seed=0), x, rng
    )
    assert w.shape == (height * width, size * size * 5, 4)
    assert b.shape == (height * width, 1, 4)
    for row, column in np.ndindex(height, width):
        position = row * width + column
        kernel = w[position].reshape(size, size, 5, 4)
        expected = conv_by_loops(x, kernel, b[position, 0], stride=1)[:, row, column]
        np.testing.assert_allclose(out[:, row, column], expected, rtol=1e-4, atol=1e-4)


def test_locally_connected_with_equal_kernels_is_conv():
    x = np.float32(np.random.default_rng(5).normal(size=[2, 4, 3, 5]))
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(x)
        expected = layers.conv(images, "conv", 6, size=3, seed=0)
        out = layers.locally_connected(images, "local", 6, size=3, seed=0)
        conv_w, _, w, b = tf.global_variables()
        session.run(tf.global_variables_initializer())
        kernel = session.run(conv_w).reshape(1, 45, 6)
        session.run(w.assign(np.broadcast_to(kernel, [12, 45, 6])))
        session.run(b.assign(np.zeros([12, 1, 6], np.float32)))
        np.testing.assert_allclose(*session.run([expected, out]), rtol=1e-4, atol=1e-5)


# -- all layers ------------------------------------------------------------------------------------

WITH_WEIGHTS = {
    "dense": lambda x: layers.dense(layers.flatten(x), "layer", 2, seed=0),
    "conv": lambda x: layers.conv(x, "layer", 2, size=3, seed=0),
    "locally_connected": lambda x: layers.locally_connected(x, "layer", 2, size=3, seed=0),
}
WITHOUT_WEIGHTS = {
    "max_pool": lambda x: layers.max_pool(x, "layer"),
    "maxout": lambda x: layers.maxout(x, "layer", pieces=2),
    "subtractive_norm": lambda x: layers.subtractive_norm(x, "layer"),
}


def variable_names(layer):
    """Return the names of the variables of a layer in the scope "outer"; all are float32."""
    with tf.Graph().as_default():
        x = tf.zeros([1, 3, 5, 2])
        with tf.variable_scope("outer"):
            layer(x)
        variables = tf.trainable_variables()
    assert all(variable.dtype.base_dtype == tf.float32 for variable in variables)
    return [variable.op.name for variable in variables]


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_layer_opens_one_scope_with_w_and_b(name):
    assert variable_names(WITH_WEIGHTS[name]) == ["outer/layer/w", "outer/layer/b"]


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_layer_without_weights_has_no_variables(name):
    assert variable_names(WITHOUT_WEIGHTS[name]) == []


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_layer_computes_in_the_type_of_its_input(name):
    x = np.float32(np.random.default_rng(7).normal(size=[3, 9, 7, 4]))
    outs = {}
    for dtype in (tf.float32, tf.bfloat16):
        with tf.Graph().as_default(), tf.Session() as session:
            out = WITH_WEIGHTS[name](tf.cast(x, dtype))
            assert out.dtype == dtype
            variables = tf.global_variables()
            assert all(variable.dtype.base_dtype == tf.float32 for variable in variables)
            session.run(tf.global_variables_initializer())
            outs[dtype] = session.run(tf.cast(out, tf.float32))
    difference = np.abs(outs[tf.float32] - outs[tf.bfloat16]).max()
    # bfloat16 has eight bits of precision: each factor and the sum are off by up to 2**-9.
    assert 0.0 < difference < 0.02 * np.abs(outs[tf.float32]).max()


@pytest.mark.parametrize(
    "layer, shape, rank",
    [
        (lambda x: layers.dense(x, "layer", 5, seed=0), [2, 3, 5], 2),
        (WITH_WEIGHTS["conv"], [2, 3, 5], 4),
        (WITH_WEIGHTS["locally_connected"], [2, 3, 5], 4),
        (WITHOUT_WEIGHTS["max_pool"], [2, 3], 4),
        (WITHOUT_WEIGHTS["maxout"], [2, 3, 5], 4),
        (WITHOUT_WEIGHTS["subtractive_norm"], [2, 3, 5], 4),
    ],
    ids=["dense", "conv", "locally_connected", "max_pool", "maxout", "subtractive_norm"],
)
def test_wrong_rank_is_reported_with_scope_tensor_and_shape(layer, shape, rank):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, shape, "pixels")
        with tf.variable_scope("shared"), pytest.raises(ValueError) as error:
            layer(x)
        what = f"takes a tensor of rank {rank}, got pixels:0 of shape {x.shape}"
        assert str(error.value) == f"layer shared/layer {what}"
        with pytest.raises(ValueError, match="layer layer takes"):
            layer(x)
        with pytest.raises(ValueError, match="rank"):
            layer(tf.placeholder(tf.float32, None))
