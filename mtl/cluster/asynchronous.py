"""Asynchronous training: each worker updates the variables by itself, without waiting.

The workers count the steps together, in the global step. An update may use variables that others
have changed since they were read, so neither the steps nor their order are the same in two runs.
"""

import tensorflow.compat.v1 as tf


def steps_after(graph):
    """Return the number of steps done by all workers after a step of this one, int64 scalar.

    Args:
      graph: graph.Graph.
    """
    with tf.control_dependencies([graph.minimize]):
        return graph.step.read_value()
