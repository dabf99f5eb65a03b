"""mtl.objectives.common.order: permutations that are a function of the seed and the step."""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.objectives import Problem, Settings
from mtl.objectives.common import order


def orders(seed=3, step=5, name="pcgrad", tasks=6):
    with tf.Graph().as_default(), tf.Session() as session:
        means = dict.fromkeys(range(tasks))
        problem = Problem(means, step=tf.constant(step, tf.int64), settings=Settings(seed=seed))
        return session.run(order.orders(problem, name))


def test_each_task_has_a_permutation_of_its_own():
    found = orders()
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(6), (6, 1)))
    assert len({tuple(each) for each in found}) > 1


def test_orders_are_a_function_of_seed_step_and_objective():
    first = orders()
    np.testing.assert_array_equal(first, orders())
    for other in (orders(seed=4), orders(step=6), orders(name="gradvac")):
        assert (first != other).any()


def test_each_task_visits_the_others_in_order_and_skips_itself():
    def change(pairs, visited):
        found = tf.argmax(pairs, axis=1) + tf.cast(tf.reduce_sum(pairs, 1), tf.int64) - 1
        return (tf.concat([visited[:, 1:], found[:, tf.newaxis]], 1),)

    given = np.array([[2, 0, 1], [1, 0, 2], [0, 1, 2]])
    with tf.Graph().as_default(), tf.Session() as session:
        start = tf.zeros([3, 3], tf.int64)
        found = session.run(order.visit(tf.constant(given), change, (start,))[0])
    # -1 where the visited task is the task itself.
    np.testing.assert_array_equal(found, [[2, -1, 1], [-1, 0, 2], [0, 1, -1]])
