"""mtl.tops: the dense top of a task, with and without the class X of a digit."""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import tops
from mtl.tasks import DIGIT_TASKS, Task

FEATURES = np.random.default_rng(3).normal(size=[4, 5]).astype(np.float32)


def logits_of(task, absent):
    """Build a top and return its logits, its variables by name, and the gradient of each class."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits = tops.dense(tf.constant(FEATURES), task, seed=7, absent=absent)
        variables = {variable.op.name: variable for variable in tf.trainable_variables()}
        weight = variables[f"{task.name}/w"]
        last = tf.nn.log_softmax(logits)[:, -1]
        fetches = [logits, variables, tf.nn.softmax(logits), tf.gradients(last, weight)[0]]
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def test_logits_are_a_matrix_product_and_a_bias():
    logits, variables, _, _ = logits_of(Task("colour", 3), "x")
    assert sorted(variables) == ["colour/b", "colour/w"]
    expected = FEATURES @ variables["colour/w"] + variables["colour/b"]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_a_mask_makes_x_impossible_and_keeps_the_other_logits():
    task = DIGIT_TASKS[0]
    plain, masked = logits_of(task, "x"), logits_of(task, "mask")
    np.testing.assert_array_equal(masked[0][:, :10], plain[0][:, :10])
    assert (masked[2][:, 10] == 0.0).all() and np.isfinite(masked[3]).all()
    np.testing.assert_allclose(masked[2].sum(axis=1), 1.0, rtol=1e-6)


def test_a_mask_changes_no_other_task():
    task = Task("colour", 11)
    np.testing.assert_array_equal(logits_of(task, "mask")[0], logits_of(task, "x")[0])
