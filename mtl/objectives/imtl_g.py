"""The combination with equal projections on the directions of all gradients.

    d = sum over tasks k of w_k g_k, sum of w = 1, with d . g_k / norm(g_k) equal for all tasks
    w_k = v_k / norm(g_k) / sum over j of v_j / norm(g_j),  v: common/solvers.equal_products

Source: Liu et al. 2021, "Towards Impartial Multi-task Learning" (ICLR), section 3.1, IMTL-G. For
gradients that depend on each other linearly: Quinton and Rey 2024, arXiv:2406.16232, as in TorchJD.

State: none.

Identity: the projections are equal. Multiplying a gradient by a number changes only the length
of d, or its sign.

By definition w can be negative. Where the sum of v_j / norm(g_j) is negative, d points uphill for
all tasks. Where it is 0, to 10 digits, d is 0. A task whose gradient is 0 has weight 0.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Liu et al. 2021, Towards Impartial Multi-task Learning"


def weights(gram):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
    """
    directions = solvers.unit(gram)
    found = solvers.equal_products(directions) * directions.inverse
    total, size = tf.reduce_sum(found), tf.reduce_sum(tf.abs(found))
    total = tf.where(tf.abs(total) > 1e-10 * size, total, tf.zeros_like(total))
    return tf.div_no_nan(found, total)


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(present.weights(problem, found.gram, weights))
