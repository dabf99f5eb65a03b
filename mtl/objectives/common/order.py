"""The random order in which PCGrad and GradVac visit the other tasks."""

import tensorflow.compat.v1 as tf

from mtl import layers


def orders(problem, name):
    """Return a random permutation of the tasks for each task, int32 [K, K].

    It is a function of the seed of the run, the step and the name of the objective.
    """
    count = len(problem.means)
    seed = problem.settings.seed ^ layers.key(f"objective/{name}")
    key = tf.stack([seed, tf.cast(problem.step, tf.int64)])
    return tf.argsort(tf.random.stateless_uniform([count, count], seed=key))


def visit(order, change, loop_vars):
    """Call change(i, j, *loop_vars) for each column j of an order; return the last loop_vars.

    Args:
      order: int32 [K, K]; task k visits the tasks order[k] one after the other. It skips itself.
      change: function (pairs, *loop_vars) -> loop_vars. pairs: float64 [K, K], row k has a 1 at the
        task that task k visits, or no 1 if that is itself.
      loop_vars: tuple of tensors.
    """
    count = tf.shape(order)[0]
    others = 1.0 - tf.eye(count, dtype=tf.float64)

    def step(index, *values):
        pairs = tf.one_hot(order[:, index], count, dtype=tf.float64) * others
        return (index + 1, *change(pairs, *values))

    return tf.while_loop(lambda index, *_: index < count, step, (tf.constant(0), *loop_vars))[1:]
