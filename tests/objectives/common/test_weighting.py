"""mtl.objectives.common.weighting: masks, means and costs that are weighted sums."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl.objectives.common import weighting

MEANS = {"a": 0.5, "b": 2.0, "c": 8.0}


def known(*labelled):
    return lambda: tf.constant(labelled)


@pytest.mark.parametrize(
    "labelled, means, expected",
    [
        (None, [0.5, 2.0, 8.0], [True, True, True]),
        (known(True, False, True), [0.5, 2.0, 8.0], [True, False, True]),
        (None, [0.0, 1e-38, 1e-37], [False, False, True]),
        (None, [np.inf, np.nan, 1e37], [False, False, True]),
        (known(False, True, True), [1.0, np.inf, 1.0], [False, False, True]),
    ],
)
def test_inside_needs_a_label_and_a_loss_within_the_clip(labelled, means, expected):
    def build():
        return weighting.inside(helpers.problem(dict(zip("abc", means)), labelled=labelled))

    np.testing.assert_array_equal(helpers.run_graph(build), expected)


def test_labelled_is_true_without_a_mask():
    def build():
        problems = [
            helpers.problem(MEANS),
            helpers.problem(MEANS, labelled=known(False, True, False)),
        ]
        return [weighting.labelled(problem) for problem in problems]

    always, masked = helpers.run_graph(build)
    np.testing.assert_array_equal(always, [True, True, True])
    np.testing.assert_array_equal(masked, [False, True, False])


def test_means_over_some_tasks():
    def build():
        values = tf.constant([1.0, np.nan, 3.0])
        some, none = tf.constant([True, False, True]), tf.constant([False] * 3)
        return [weighting.mean_of(some, values), weighting.mean_of(none, values)]

    assert helpers.run_graph(build) == [2.0, 0.0]


def test_no_gradient_flows_where_a_value_is_replaced():
    def build():
        x = tf.constant([2.0, 3.0, 5.0])
        kept = weighting.keep(tf.constant([True, False, True]), x * x, 7.0)
        return kept, tf.gradients(kept, x)[0]

    kept, gradient = helpers.run_graph(build)
    np.testing.assert_array_equal(kept, [4.0, 7.0, 25.0])
    np.testing.assert_array_equal(gradient, [4.0, 0.0, 10.0])


def test_weights_are_constants_of_the_cost():
    def build():
        problem = helpers.problem(MEANS)
        means = list(problem.means.values())
        update = weighting.weighted(problem, tf.stack([means[0] * 3.0, 1.0, 0.0]))
        return update.cost, update.terms, update.weights, tf.gradients(update.cost, means)

    cost, terms, weights, gradients = helpers.run_graph(build)
    assert terms == {"a": 0.75, "b": 2.0, "c": 0.0} and cost == 2.75
    np.testing.assert_array_equal(weights, [1.5, 1.0, 0.0])
    np.testing.assert_array_equal(gradients, weights)


def test_the_cost_is_the_sum_of_its_terms():
    def build():
        problem = helpers.problem(MEANS)
        update = weighting.summed(problem, tf.constant([1.0, 2.5, -4.0]), state=[("v", "t")])
        assert update.state == [("v", "t")]
        return update.cost, update.terms

    assert helpers.run_graph(build) == (-0.5, {"a": 1.0, "b": 2.5, "c": -4.0})
