"""Each layer against a NumPy oracle of explicit loops, and the keys of all randomness."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import layers

# The standard deviation of a standard normal cut off at -2 and 2: sqrt(1 - 4 * pdf(2) / P(-2 < z < 2)).
TRUNCATED = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


def values(make, feed=None):
    """Build a graph by make(), initialise it, and return the value of what make() returns."""
    with tf.Graph().as_default(), tf.Session() as session:
        fetches = make()
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feed)


def run_layer(layer, x, rng):
    """Run layer(placeholder) with random weights and biases; return its output, w and b. Biases of 0, as they start, would test nothing."""
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None] + list(x.shape[1:]))
        out = layer(images)
        w, b = tf.global_variables()
        new = [np.float32(rng.normal(size=variable.shape.as_list())) for variable in (w, b)]
        session.run([w.assign(new[0]), b.assign(new[1])])
        return session.run(out, {images: x}), new[0], new[1]


# -- dense, conv, max_pool, flatten ----------------------------------------------------------------------------------------------------


def test_dense_is_a_product_and_a_sum():
    rng = np.random.default_rng(1)
    x = np.float32(rng.normal(size=[3, 7]))
    out, w, b = run_layer(lambda x: layers.dense(x, "top", 5, seed=0), x, rng)
    assert w.shape == (7, 5) and b.shape == (5,)
    expected = [
        [sum(float(x[n, i]) * float(w[i, j]) for i in range(7)) + float(b[j]) for j in range(5)]
        for n in range(3)
    ]
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda x: layers.dense(x, "a", 5, seed=0), [3, 7]),
        (lambda x: layers.conv(x, "a", 5, size=3, seed=0), [3, 9, 7, 4]),
        (lambda x: layers.locally_connected(x, "a", 5, size=3, seed=0), [3, 9, 7, 4]),
    ],
    ids=["dense", "conv", "locally_connected"],
)
def test_a_layer_computes_in_the_type_of_its_input_with_weights_of_float32(layer, shape):
    rng, outs = np.random.default_rng(7), {}
    x = np.float32(rng.normal(size=shape))
    for dtype in (tf.float32, tf.bfloat16):
        with tf.Graph().as_default(), tf.Session() as session:
            out = layer(tf.cast(x, dtype))
            assert out.dtype == dtype and all(
                variable.dtype.base_dtype == tf.float32 for variable in tf.global_variables()
            )
            session.run(tf.global_variables_initializer())
            outs[dtype] = session.run(tf.cast(out, tf.float32))
    assert (outs[tf.float32] != outs[tf.bfloat16]).any()
    # Eight bits of mantissa: each factor and the sum are rounded by up to 2**-9 of themselves.
    assert (
        np.abs(outs[tf.float32] - outs[tf.bfloat16]).max() < 0.02 * np.abs(outs[tf.float32]).max()
    )


def conv_by_loops(x, w, b, stride):
    size = w.shape[0]
    heights, widths = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    # SAME: as much padding as the last kernel needs, an odd pixel of it at the far side.
    above = max((heights - 1) * stride + size - x.shape[1], 0) // 2
    beside = max((widths - 1) * stride + size - x.shape[2], 0) // 2
    out = np.zeros([x.shape[0], heights, widths, w.shape[3]])
    for n, row, column, target in np.ndindex(*out.shape):
        out[n, row, column, target] = b[target]
        for i, j, channel in np.ndindex(size, size, x.shape[3]):
            y, z = row * stride + i - above, column * stride + j - beside
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                out[n, row, column, target] += float(x[n, y, z, channel]) * float(
                    w[i, j, channel, target]
                )
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("height, width", [(5, 7), (4, 3), (1, 2)])
def test_conv_is_padded_with_zeros_at_the_rim(size, stride, height, width):
    rng = np.random.default_rng(size)
    x = np.float32(rng.normal(size=[2, height, width, 3]))
    out, w, b = run_layer(
        lambda x: layers.conv(x, "conv", 4, size=size, stride=stride, seed=0), x, rng
    )
    assert w.shape == (size, size, 3, 4) and b.shape == (4,)
    np.testing.assert_allclose(out, conv_by_loops(x, w, b, stride), rtol=1e-4, atol=1e-4)


def max_pool_by_loops(x, stride):
    """Windows start at 0, stride, ...; what hangs over the far side holds only the pixels that are there."""
    out = np.zeros(
        [x.shape[0], -(-x.shape[1] // stride), -(-x.shape[2] // stride), x.shape[3]], np.float32
    )
    for n, row, column, channel in np.ndindex(*out.shape):
        out[n, row, column, channel] = x[
            n, row * stride : row * stride + 2, column * stride : column * stride + 2, channel
        ].max()
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height, width", [(5, 7), (4, 3), (1, 2)])
@pytest.mark.parametrize("shift", [0.0, -100.0], ids=["mixed", "negative"])
def test_max_pool_takes_the_largest_of_the_pixels_there(stride, height, width, shift):
    # All values negative: a padding of zeros, which a convolution has, would show as 0 at the far sides.
    x = np.float32(np.random.default_rng(2).normal(size=[2, height, width, 3]) + shift)
    out = values(lambda: layers.max_pool(tf.constant(x), "pool", stride=stride))
    np.testing.assert_array_equal(out, max_pool_by_loops(x, stride))


# -- maxout, subtractive_norm, locally_connected: what the paper's network has beside ----------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_maxout_takes_the_largest_of_neighbouring_channels(pieces):
    x = np.float32(np.random.default_rng(3).normal(size=[2, 5, 3, 4 * pieces]))
    expected = np.zeros([2, 5, 3, 4], np.float32)
    for n, row, column, unit in np.ndindex(*expected.shape):
        expected[n, row, column, unit] = max(
            x[n, row, column, unit * pieces + k] for k in range(pieces)
        )
    np.testing.assert_array_equal(
        values(lambda: layers.maxout(tf.constant(x), "maxout1", pieces=pieces)), expected
    )


def test_maxout_refuses_channels_that_make_no_whole_groups():
    with (
        tf.Graph().as_default(),
        pytest.raises(
            ValueError, match="maxout in scope maxout1 cannot make groups of 3 of 7 channels"
        ),
    ):
        layers.maxout(tf.zeros([2, 5, 3, 7]), "maxout1", pieces=3)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("height, width", [(6, 7), (2, 1)])
def test_subtractive_norm_takes_off_the_mean_of_the_pixels_around(size, height, width):
    x = np.float32(np.random.default_rng(size).normal(size=[2, height, width, 5]) + 3.0)
    expected, reach = np.zeros_like(x), size // 2
    for n, row, column in np.ndindex(2, height, width):
        around = x[
            n, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
        ]
        expected[n, row, column] = x[n, row, column] - around.mean(dtype=np.float64)
    out = values(lambda: layers.subtractive_norm(tf.constant(x), "norm1", size=size))
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_subtractive_norm_makes_nothing_of_a_flat_field():
    # Padding of zeros, which pixels beyond the rim must not be, would leave a frame.
    out = values(lambda: layers.subtractive_norm(tf.fill([1, 4, 5, 3], 7.0), "norm1"))
    np.testing.assert_allclose(out, 0.0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("height, width", [(4, 3), (1, 2)])
def test_locally_connected_has_a_kernel_for_each_place(size, height, width):
    rng = np.random.default_rng(size)
    x = np.float32(rng.normal(size=[3, height, width, 5]))
    out, w, b = run_layer(
        lambda x: layers.locally_connected(x, "local", 4, size=size, seed=0), x, rng
    )
    assert w.shape == (height * width, size * size * 5, 4) and b.shape == (height * width, 1, 4)
    for row, column in np.ndindex(height, width):
        place = row * width + column
        everywhere = conv_by_loops(x, w[place].reshape(size, size, 5, 4), b[place, 0], stride=1)
        np.testing.assert_allclose(
            out[:, row, column], everywhere[:, row, column], rtol=1e-4, atol=1e-4
        )


def test_with_one_kernel_for_all_places_locally_connected_is_conv():
    x = np.float32(np.random.default_rng(5).normal(size=[2, 4, 3, 5]))
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 4, 3, 5])
        one, other = (
            layers.conv(images, "conv", 6, size=3, seed=0),
            layers.locally_connected(images, "local", 6, size=3, seed=0),
        )
        conv_w, _, w, b = tf.global_variables()
        session.run(tf.global_variables_initializer())
        kernel = session.run(conv_w)
        session.run(
            [
                w.assign(np.broadcast_to(kernel.reshape(1, 45, 6), [12, 45, 6])),
                b.assign(np.zeros([12, 1, 6], np.float32)),
            ]
        )
        np.testing.assert_allclose(*session.run([one, other], {images: x}), rtol=1e-4, atol=1e-5)


def test_flatten_joins_all_axes_but_the_first():
    x = np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7)
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 3, 5, 7])
        flat = layers.flatten(images)
        assert flat.shape.as_list() == [None, 105]
        np.testing.assert_array_equal(session.run(flat, {images: x}), x.reshape(2, 105))


@pytest.mark.parametrize(
    "layer, names",
    [
        (
            lambda x: layers.dense(layers.flatten(x), "top", 2, seed=0),
            ["outer/top/w", "outer/top/b"],
        ),
        (lambda x: layers.conv(x, "conv9", 2, size=3, seed=0), ["outer/conv9/w", "outer/conv9/b"]),
        (
            lambda x: layers.locally_connected(x, "local1", 2, size=3, seed=0),
            ["outer/local1/w", "outer/local1/b"],
        ),
        (lambda x: layers.max_pool(x, "pool1"), []),
        (lambda x: layers.maxout(x, "maxout1", pieces=2), []),
        (lambda x: layers.subtractive_norm(x, "norm1"), []),
    ],
)
def test_a_layer_opens_exactly_one_scope(layer, names):
    with tf.Graph().as_default():
        x = tf.zeros([1, 3, 5, 2])
        with tf.variable_scope("outer"):
            layer(x)
        assert [variable.op.name for variable in tf.trainable_variables()] == names
        assert all(variable.dtype.base_dtype == tf.float32 for variable in tf.trainable_variables())


@pytest.mark.parametrize(
    "layer, shape, rank",
    [
        (lambda x: layers.dense(x, "bad", 5, seed=0), [2, 3, 5], 2),
        (lambda x: layers.conv(x, "bad", 5, size=3, seed=0), [2, 3, 5], 4),
        (lambda x: layers.maxout(x, "bad", pieces=5), [2, 3, 5], 4),
        (lambda x: layers.subtractive_norm(x, "bad"), [2, 3, 5], 4),
        (lambda x: layers.locally_connected(x, "bad", 5, size=3, seed=0), [2, 3, 5], 4),
        (lambda x: layers.max_pool(x, "bad"), [2, 3], 4),
    ],
)
def test_a_wrong_rank_is_reported_with_scope_tensor_and_shape(layer, shape, rank):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, shape, "pixels")
        with tf.variable_scope("shared"), pytest.raises(ValueError) as error:
            layer(x)
        assert (
            str(error.value)
            == f"layer shared/bad takes a tensor of rank {rank}, got pixels:0 of shape {x.shape}"
        )
        with pytest.raises(ValueError, match="layer bad takes"):
            layer(x)
        with pytest.raises(ValueError, match="rank"):
            layer(tf.placeholder(tf.float32, None))


# -- initial values --------------------------------------------------------------------------------------------------------------------


def initial(name="a", seed=3, before=lambda: None, shape=(9, 7)):
    def make():
        before()
        return layers.variable(name, list(shape), 0.5, seed)

    return values(make)


def test_initial_values_depend_on_name_and_seed_alone():
    def clutter():
        tf.random.uniform([2])
        layers.dense(tf.ones([3, 5]), "other", 2, seed=8)
        tf.set_random_seed(99)

    np.testing.assert_array_equal(initial(), initial())
    np.testing.assert_array_equal(initial(), initial(before=clutter))
    assert not np.any(initial() == initial(name="b"))
    assert not np.any(initial() == initial(seed=4))


def test_the_full_name_decides_and_not_its_last_part():
    def make():
        out = []
        for scope in ("one", "two"):
            with tf.variable_scope(scope):
                out.append(layers.variable("w", [9, 7], 0.5, 3))
        return out

    one, two = values(make)
    assert not np.any(one == two)


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**62])
def test_any_seed_of_64_bits_will_do(seed):
    assert np.std(initial(seed=seed, shape=(51, 53))) == pytest.approx(0.5, rel=0.05)
    ones = tf.Graph()
    with ones.as_default(), tf.Session() as session:
        mask = layers.dropout(
            tf.ones([51, 53]), "drop", 0.25, seed=seed, step=tf.constant(1, tf.int64)
        )
        assert np.mean(session.run(mask) == 0) == pytest.approx(0.25, abs=0.04)


def test_the_draw_is_a_normal_cut_off_at_two_standard_deviations():
    w = initial(shape=(301, 299))
    assert np.max(np.abs(w)) <= 2 * 0.5 / TRUNCATED
    assert np.mean(w) == pytest.approx(0, abs=5 * 0.5 / math.sqrt(w.size))
    assert np.std(w) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_dense_starts_from_gain_over_inputs(gain):
    def make():
        layers.dense(tf.ones([1, 301]), "top", 203, seed=5, gain=gain)
        return tf.global_variables()

    w, b = values(make)
    assert np.std(w) == pytest.approx(math.sqrt(gain / 301), rel=0.02)
    assert np.max(np.abs(w)) <= 2 * math.sqrt(gain / 301) / TRUNCATED
    assert not b.any()


def test_conv_starts_from_two_over_the_inputs_of_a_kernel():
    def make():
        layers.conv(tf.ones([1, 3, 5, 31]), "conv", 67, size=3, seed=5)
        return tf.global_variables()

    w, b = values(make)
    assert np.std(w) == pytest.approx(math.sqrt(2 / (3 * 3 * 31)), rel=0.02)
    assert not b.any()


def test_key_is_the_crc32():
    assert layers.key("123456789") == 0xCBF43926  # the check value of CRC-32 in every table of them


# -- dropout ---------------------------------------------------------------------------------------------------------------------------

X = np.float32(1.0 + np.random.default_rng(4).random([101, 103]))


def dropped(seed=3, step=5, scope="drop", rate=0.3, outer=None, before=lambda: None):
    def make():
        before()
        at = tf.constant(step, tf.int64)
        if outer is None:
            return layers.dropout(tf.constant(X), scope, rate, seed=seed, step=at)
        with tf.variable_scope(outer):
            return layers.dropout(tf.constant(X), scope, rate, seed=seed, step=at)

    return values(make)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_sets_a_share_to_zero_and_keeps_the_mean(rate):
    out = dropped(rate=rate)
    kept = out != 0
    five_sigma = 5 * math.sqrt(rate * (1 - rate) / X.size)
    assert np.mean(~kept) == pytest.approx(rate, abs=five_sigma)
    np.testing.assert_allclose(out[kept], X[kept] / (1 - rate), rtol=1e-6)
    assert np.mean(out) == pytest.approx(np.mean(X), abs=2 * five_sigma / (1 - rate))


def agreement(a, b):
    """Return the share of places where two masks agree: 1 for the same, 0.3^2 + 0.7^2 = 0.58 for independent ones of rate 0.3."""
    return np.mean((a == 0) == (b == 0))


def test_the_same_key_draws_the_same_mask():
    def clutter():
        tf.random.uniform([2])
        layers.dense(tf.ones([3, 5]), "other", 2, seed=8)
        layers.dropout(tf.ones([3, 5]), "other_drop", 0.5, seed=3, step=tf.constant(5, tf.int64))

    np.testing.assert_array_equal(dropped(), dropped())
    np.testing.assert_array_equal(dropped(), dropped(before=clutter))


@pytest.mark.parametrize(
    "other", [{"seed": 4}, {"step": 6}, {"scope": "drop2"}, {"outer": "shared"}], ids=str
)
def test_another_key_draws_another_mask(other):
    assert agreement(dropped(), dropped(**other)) == pytest.approx(0.58, abs=0.03)


def test_the_mask_follows_a_step_that_is_fed():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        out = layers.dropout(tf.constant(X), "drop", 0.3, seed=3, step=step)
        np.testing.assert_array_equal(session.run(out, {step: 5}), dropped(step=5))
        np.testing.assert_array_equal(session.run(out, {step: 2**40}), dropped(step=2**40))


def test_dropout_of_nothing_adds_nothing():
    with tf.Graph().as_default() as graph:
        x = tf.ones([2, 3])
        before = len(graph.get_operations())
        assert layers.dropout(x, "drop", 0.0, seed=0, step=None) is x
        assert len(graph.get_operations()) == before


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_dropout_refuses_a_rate_that_is_none(rate):
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match=r"rate must lie in \[0, 1\).*scope drop"),
    ):
        layers.dropout(tf.ones([2, 3]), "drop", rate, seed=0, step=tf.constant(1, tf.int64))


def test_dropout_without_a_step_says_why_it_needs_one():
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="scope drop needs the training step"),
    ):
        layers.dropout(tf.ones([2, 3]), "drop", 0.5, seed=0, step=None)
