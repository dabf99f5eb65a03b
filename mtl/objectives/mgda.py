"""The shortest vector in the convex hull of the tasks' gradients.

    d = sum over tasks k of w_k g_k, with the w >= 0, sum of w = 1, that minimise norm(d)

Source: Désidéri 2012; Sener and Koltun 2018, arXiv:1810.04650, section 3.

State: none.

Identity: g_k . d >= norm(d)^2 for every task, so a small step along -d raises no loss. d = 0 only
if no such direction exists.

So a task with labels whose gradient is 0 stops the bottom: d = 0. The smallest gradient decides the
length of d. d is exact to 1e-8 of the smallest gradient; if gradients cancel, norm(d) is at most
1e-5 of it.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Sener and Koltun 2018, arXiv:1810.04650"


def weights(gram):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
    """
    directions = solvers.unit(gram)
    is_zero = tf.cast(tf.equal(directions.norms, 0.0), tf.float64)
    scales = solvers.scales(directions)  # the unknowns are w_k / scales_k
    linear = tf.zeros_like(scales)[tf.newaxis]
    found = solvers.minimum(directions.cosines, linear, scales)[0] * scales
    found /= tf.reduce_sum(found)
    zeros = tf.reduce_sum(is_zero)
    return tf.where(zeros > 0.0, is_zero / tf.maximum(zeros, 1.0), found)


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(present.weights(problem, found.gram, weights))
