"""mtl.objectives.log_sum: the ends of the clip, and the identities of a sum of logarithms."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings, strategies as st

import helpers
from mtl import losses, objectives
from mtl.objectives import linear, log_sum

HYPOTHESIS = settings(max_examples=60, deadline=None, derandomize=True, database=None)
MEANS = st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3)
SETTINGS = objectives.Settings()
FLOOR, CEILING = math.log(1e-37), math.log(1e37)


def cost_of(module, means):
    """Build the cost of an objective from a list of means."""
    return module.build(helpers.problem(dict(enumerate(means)))).cost


# -- the clip --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mean, log, gradient",
    [
        (0.0, FLOOR, 0.0),
        (1e-38, FLOOR, 0.0),
        (9.9e-38, FLOOR, 0.0),
        (1e-37, FLOOR, 1e37),  # the floor itself has a gradient
        (1.1e-37, math.log(1.1e-37), 1 / 1.1e-37),
        (1e-10, -23.02585, 1e10),
        (0.1, -2.302585, 10.0),
        (1.0, 0.0, 1.0),
        (2.3026, 0.83404, 0.4342917),
        (9e36, math.log(9e36), 1 / 9e36),
        (1e37, CEILING, 1e-37),
        (1.1e37, CEILING, 0.0),
        (math.inf, CEILING, 0.0),  # the clip hides an infinite loss
        (math.nan, math.nan, 0.0),
    ],
)
def test_values_and_gradients_at_the_ends_of_the_clip(mean, log, gradient):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [])
        cost = log_sum.term(x)
        fetches = [cost, tf.gradients(cost, x)[0]]
        found, found_gradient = session.run(fetches, {x: np.float32(mean)})
    assert found == pytest.approx(log, rel=1e-5, abs=1e-6, nan_ok=True)
    assert found_gradient == pytest.approx(gradient, rel=1e-5, abs=0)
    assert log_sum.value({"a": mean}, SETTINGS) == pytest.approx(
        log, rel=1e-5, abs=1e-6, nan_ok=True
    )


def test_floor_is_minus_85():
    assert pytest.approx(-85.1956, abs=1e-4) == FLOOR
    assert (log_sum.CLIP_MIN, log_sum.CLIP_MAX) == (1e-37, 1e37)


@pytest.mark.parametrize(
    "mean, log, gradient",
    [(1e-9, -4.60517, 0.0), (0.02, -3.912023, 50.0), (7.0, 1.609438, 0.0)],
)
def test_clip_flags_move_the_ends(mean, log, gradient):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [])
        problem = helpers.problem({"a": x, "b": 1.0}, clip_min=0.01, clip_max=5.0)
        cost = log_sum.build(problem).cost
        found = session.run([cost, tf.gradients(cost, x)[0]], {x: np.float32(mean)})
    assert found == pytest.approx([log, gradient], rel=1e-5)
    assert log_sum.value({"a": mean, "b": 1.0}, problem.settings) == pytest.approx(log, rel=1e-6)


# -- identities ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_means():
    """A function (name, three means) -> value of a formula, or of its gradient "d NAME"."""
    with tf.Graph().as_default(), tf.Session() as session:
        means = tf.placeholder(tf.float32, [3])
        a, b, c = tf.unstack(means)
        tensors = {
            "log_sum": cost_of(log_sum, [a, b, c]),
            "linear": cost_of(linear, [a, b, c]),
            "geometric mean": tf.pow(a, 1 / 3) * tf.pow(b, 1 / 3) * tf.pow(c, 1 / 3),
            "uncertainty": tf.reduce_sum(means * tf.stop_gradient(1.0 / means)),
        }
        for name, tensor in list(tensors.items()):
            tensors[f"d {name}"] = tf.gradients(tensor, means)[0]
        yield lambda name, value: session.run(tensors[name], {means: np.float32(value)})


@HYPOTHESIS
@given(MEANS)
def test_values_and_gradients_equal_numpy(of_means, means):
    means = np.float64(np.float32(means))
    size = np.abs(np.log(means)).sum() + 1e-3
    named = dict(enumerate(means))
    assert abs(of_means("log_sum", means) - np.log(means).sum()) <= 1e-5 * size
    assert abs(log_sum.value(named, SETTINGS) - np.log(means).sum()) <= 1e-12 * size
    np.testing.assert_allclose(of_means("linear", means), means.sum(), rtol=1e-5)
    assert linear.value(named, SETTINGS) == pytest.approx(means.sum(), rel=1e-12)
    np.testing.assert_allclose(of_means("d log_sum", means), 1 / means, rtol=1e-5)
    np.testing.assert_array_equal(of_means("d linear", means), np.ones(3))


@HYPOTHESIS
@given(MEANS)
def test_gradient_is_proportional_to_that_of_the_geometric_mean(of_means, means):
    scaled = of_means("geometric mean", means) / 3 * of_means("d log_sum", means)
    np.testing.assert_allclose(of_means("d geometric mean", means), scaled, rtol=1e-4)


@HYPOTHESIS
@given(MEANS)
def test_gradient_equals_that_of_uncertainty_weights_at_their_optimum(of_means, means):
    expected = of_means("d log_sum", means)
    np.testing.assert_allclose(of_means("d uncertainty", means), expected, rtol=1e-5)


@HYPOTHESIS
@given(MEANS, st.integers(0, 2), st.floats(1e-6, 1e6))
def test_scaling_a_loss_adds_a_constant_and_keeps_the_gradients(of_means, means, which, scale):
    rescaled = np.float64(np.float32(means))
    rescaled[which] *= scale
    moved = np.float64(of_means("log_sum", rescaled)) - of_means("log_sum", means)
    assert moved == pytest.approx(math.log(scale), abs=1e-4)
    # d/dL of log(scale * L) is still 1 / L: the factor `scale` of the chain rule cancels.
    slopes = of_means("d log_sum", rescaled)
    slopes[which] *= scale
    np.testing.assert_allclose(slopes, of_means("d log_sum", means), rtol=1e-5)


def test_identities_hold_for_the_gradient_of_a_shared_matrix():
    rng = np.random.default_rng(8)
    x, shared = rng.normal(size=[5, 4]), rng.normal(size=[4, 6])
    tops = [rng.normal(size=[6, task.outputs]) for task in helpers.THREE_TASKS]
    _, labels = helpers.random_batch(rng, 5, helpers.THREE_TASKS)
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.constant(np.float32(shared))
        hidden = tf.tanh(tf.matmul(np.float32(x), w))
        means = [
            losses.mean_cross_entropy(tf.matmul(hidden, np.float32(top)), labels[task.name])
            for top, task in zip(tops, helpers.THREE_TASKS)
        ]
        rescaled = [1000.0 * means[0], means[1], 0.001 * means[2]]
        geometric_mean = tf.pow(means[0] * means[1] * means[2], 1 / 3)
        fetches = [
            tf.gradients(cost_of(log_sum, means), w)[0],
            tf.gradients(cost_of(log_sum, rescaled), w)[0],
            [tf.gradients(mean, w)[0] / mean for mean in means],
            tf.gradients(geometric_mean, w)[0],
            geometric_mean,
        ]
        found, found_rescaled, weighted, of_geometric_mean, mean = session.run(fetches)
    np.testing.assert_allclose(found, sum(weighted), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found_rescaled, found, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(of_geometric_mean, mean / 3 * found, rtol=1e-4, atol=1e-6)
