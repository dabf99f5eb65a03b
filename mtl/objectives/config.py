"""The direction with the same cosine to the gradients of all tasks (ConFIG).

    d = (sum over tasks k of g_k . u) u,  u = v / norm(v),  v = pinv(unit gradients) 1

Source: Liu, Chu and Thuerey 2024, arXiv:2408.11104, equation 2.

State: none.

Identity: the cosine of d and g_k is the same for all tasks, and not negative. Multiplying a
gradient by a positive number changes only the length of d.

A task whose gradient is 0 has weight 0. Where gradients depend on each other linearly, the cosines
are equal in the sense of least squares; d = 0 if they cancel.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Liu et al. 2024, arXiv:2408.11104"
_CANCELLED = 1e-20  # a squared norm of v that is rounding error


def weights(gram):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
    """
    directions = solvers.unit(gram)
    found = solvers.equal_products(directions)
    products = tf.linalg.matvec(directions.cosines, found)
    square = tf.reduce_sum(found * products)
    square = tf.where(square > _CANCELLED, square, tf.zeros_like(square))
    length = tf.reduce_sum(directions.norms * products)
    return tf.div_no_nan(length, square) * found * directions.inverse


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(present.weights(problem, found.gram, weights))
