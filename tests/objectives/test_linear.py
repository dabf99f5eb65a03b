"""mtl.objectives.linear: the terms are the means. test_log_sum.py compares cost and gradients."""

import tensorflow.compat.v1 as tf

from mtl.objectives import linear


def test_cost_is_the_sum_of_the_means():
    with tf.Graph().as_default(), tf.Session() as session:
        means = {"a": tf.constant(0.5), "b": tf.constant(2.0)}
        update = linear.build({}, {}, means)
        assert update.terms == means
        assert update.gradients is None
        assert session.run(update.cost) == 2.5
    assert linear.value({"a": 0.5, "b": 2.0}) == 2.5
