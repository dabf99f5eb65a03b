"""mtl.objectives.linear: the terms are the means themselves. test_log_sum.py compares its values."""

import tensorflow.compat.v1 as tf

from mtl.objectives import linear


def test_the_terms_are_the_mean_losses_and_the_cost_is_their_sum():
    with tf.Graph().as_default(), tf.Session() as session:
        means = {"a": tf.constant(0.5), "b": tf.constant(2.0)}
        update = linear.build({}, {}, means)
        assert update.terms == means and update.gradients is None
        assert session.run(update.cost) == 2.5 == linear.value({"a": 0.5, "b": 2.0})
