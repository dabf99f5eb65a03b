"""mtl.objectives.linear: the terms. test_log_sum.py compares cost and gradients."""

import numpy as np
import tensorflow.compat.v1 as tf

import helpers
from mtl.objectives import linear

MEANS = {"a": 0.5, "b": 2.0, "c": 3.0}


def test_cost_is_the_sum_of_the_means():
    with tf.Graph().as_default(), tf.Session() as session:
        problem = helpers.problem(MEANS)
        update = linear.build(problem)
        assert update.terms == problem.means  # no product with a weight of 1
        assert update.gradients is None
        assert session.run(update.cost) == 5.5
    assert linear.value(MEANS, problem.settings) == 5.5


def test_weights_scale_the_gradients():
    with tf.Graph().as_default(), tf.Session() as session:
        problem = helpers.problem(MEANS, weights={"a": 0.0, "b": 1.0, "c": 2.5})
        update = linear.build(problem)
        assert update.terms["b"] is problem.means["b"]
        gradients = tf.gradients(update.cost, list(problem.means.values()))
        cost, found = session.run([update.cost, gradients])
    np.testing.assert_array_equal(found, [0.0, 1.0, 2.5])
    assert cost == 9.5 == linear.value(MEANS, problem.settings)
