"""The random numbers of the layers: initial values and dropout masks, and their keys."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import run_graph
from mtl import layers

# Standard deviation of a standard normal truncated at two standard deviations:
# sqrt(1 - 4 * density(2) / P(-2 < z < 2)).
DENSITY = math.exp(-2) / math.sqrt(2 * math.pi)
TRUNCATED = math.sqrt(1 - 4 * DENSITY / math.erf(math.sqrt(2)))


def clutter():
    """Add random operations and layers, which must not change any other random number."""
    tf.random.uniform([2])
    layers.dense(tf.ones([3, 5]), "other", 2, seed=8)
    layers.dropout(tf.ones([3, 5]), "other_drop", 0.5, seed=3, step=tf.constant(5, tf.int64))
    tf.set_random_seed(99)


def test_key_is_the_crc32():
    assert layers.key("123456789") == 0xCBF43926  # the published check value of CRC-32


# -- initial values --------------------------------------------------------------------------------


def initial(name="a", seed=3, shape=(9, 7), cluttered=False):
    """Return the initial value of a variable of standard deviation 0.5."""

    def build():
        if cluttered:
            clutter()
        return layers.variable(name, list(shape), 0.5, seed)

    return run_graph(build)


def test_initial_values_depend_only_on_name_and_seed():
    np.testing.assert_array_equal(initial(), initial())
    np.testing.assert_array_equal(initial(), initial(cluttered=True))
    assert not np.any(initial() == initial(name="b"))
    assert not np.any(initial() == initial(seed=4))


def test_initial_values_depend_on_the_scope_of_the_name():
    def build():
        variables = []
        for scope in ("one", "two"):
            with tf.variable_scope(scope):
                variables.append(layers.variable("w", [9, 7], 0.5, 3))
        return variables

    one, two = run_graph(build)
    assert not np.any(one == two)


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**62])
def test_any_64_bit_seed_works(seed):
    assert np.std(initial(seed=seed, shape=(51, 53))) == pytest.approx(0.5, rel=0.05)
    out = drop(np.ones([51, 53], np.float32), rate=0.25, seed=seed)
    assert np.mean(out == 0) == pytest.approx(0.25, abs=0.04)


def test_initial_values_are_truncated_normal():
    w = initial(shape=(301, 299))
    assert np.max(np.abs(w)) <= 2 * 0.5 / TRUNCATED
    assert np.mean(w) == pytest.approx(0, abs=5 * 0.5 / math.sqrt(w.size))
    assert np.std(w) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("seed", [0, -1, 2**62])
def test_initial_values_are_those_of_the_public_function(seed):
    def build():
        with tf.variable_scope("top"):
            ours = layers.variable("w", [51, 53], 0.37, seed)
        keys = [seed, layers.key("top/w")]
        stddev = 0.37 / layers.TRUNCATED_STDDEV
        return ours, tf.random.stateless_truncated_normal([51, 53], seed=keys, stddev=stddev)

    ours, public = run_graph(build)
    np.testing.assert_array_equal(ours, public)


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_initial_variance_of_dense_is_gain_over_inputs(gain):
    def build():
        layers.dense(tf.ones([1, 301]), "top", 203, seed=5, gain=gain)
        return tf.global_variables()

    w, b = run_graph(build)
    assert np.std(w) == pytest.approx(math.sqrt(gain / 301), rel=0.02)
    assert np.max(np.abs(w)) <= 2 * math.sqrt(gain / 301) / TRUNCATED
    assert not b.any()


def test_initial_variance_of_conv_is_two_over_the_inputs_of_a_kernel():
    def build():
        layers.conv(tf.ones([1, 3, 5, 31]), "conv", 67, size=3, seed=5)
        return tf.global_variables()

    w, b = run_graph(build)
    assert np.std(w) == pytest.approx(math.sqrt(2 / (3 * 3 * 31)), rel=0.02)
    assert not b.any()


# -- dropout ---------------------------------------------------------------------------------------

X = np.float32(1.0 + np.random.default_rng(4).random([101, 103]))


def drop(x=X, seed=3, step=5, scope="drop", rate=0.3, outer="", cluttered=False):
    """Return x after dropout."""

    def build():
        if cluttered:
            clutter()
        with tf.variable_scope(outer):
            now = tf.constant(step, tf.int64)
            return layers.dropout(tf.constant(x), scope, rate, seed=seed, step=now)

    return run_graph(build)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_sets_a_share_to_zero_and_keeps_the_mean(rate):
    out = drop(rate=rate)
    kept = out != 0
    five_sigma = 5 * math.sqrt(rate * (1 - rate) / X.size)
    assert np.mean(~kept) == pytest.approx(rate, abs=five_sigma)
    np.testing.assert_allclose(out[kept], X[kept] / (1 - rate), rtol=1e-6)
    assert np.mean(out) == pytest.approx(np.mean(X), abs=2 * five_sigma / (1 - rate))


def test_same_key_gives_the_same_mask():
    np.testing.assert_array_equal(drop(), drop())
    np.testing.assert_array_equal(drop(), drop(cluttered=True))


@pytest.mark.parametrize(
    "other", [{"seed": 4}, {"step": 6}, {"scope": "drop2"}, {"outer": "shared"}], ids=str
)
def test_another_key_gives_an_independent_mask(other):
    agreement = np.mean((drop() == 0) == (drop(**other) == 0))
    # Independent masks of rate 0.3 agree in 0.3^2 + 0.7^2 of all positions.
    assert agreement == pytest.approx(0.58, abs=0.03)


def test_mask_follows_a_step_that_is_fed():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        out = layers.dropout(tf.constant(X), "drop", 0.3, seed=3, step=step)
        for value in (5, 2**40):
            np.testing.assert_array_equal(session.run(out, {step: value}), drop(step=value))


def test_dropout_of_rate_zero_adds_no_operation():
    with tf.Graph().as_default() as graph:
        x = tf.ones([2, 3])
        before = len(graph.get_operations())
        assert layers.dropout(x, "drop", 0.0, seed=0, step=None) is x
        assert len(graph.get_operations()) == before


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_dropout_refuses_a_rate_out_of_range(rate):
    message = r"rate must lie in \[0, 1\).*scope drop"
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        layers.dropout(tf.ones([2, 3]), "drop", rate, seed=0, step=tf.constant(1, tf.int64))


def test_dropout_refuses_a_missing_step():
    message = "scope drop needs the training step"
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        layers.dropout(tf.ones([2, 3]), "drop", 0.5, seed=0, step=None)
