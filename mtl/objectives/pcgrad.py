"""Gradients without the parts that conflict with other tasks.

    d = sum over tasks k of p_k,  p_k = g_k, then for each other task j in random order:
    if p_k . g_j < 0:  p_k -= (p_k . g_j) / norm(g_j)^2 g_j

Source: Yu et al. 2020, arXiv:2001.06782, algorithm 1.

State: none. The order is a function of the seed of the run and of the step; with two tasks there is
only one. Each task has an order of its own, as in the paper's code and in TorchJD.

Identity: without conflict, d is the sum of the gradients. With two tasks, each p_k has a product of
at least 0 with both gradients; with more, a later projection can undo an earlier one.

A gradient of 0 conflicts with no other. If all gradients cancel, d can be 0.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, order as order_lib

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Yu et al. 2020, arXiv:2001.06782"


def weights(gram, order):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
      order: int32 [K, K], see common/order.py.
    """
    squares = tf.linalg.diag_part(gram)

    def project(pairs, combined):
        product = tf.reduce_sum(tf.matmul(combined, gram) * pairs, 1)
        square = tf.linalg.matvec(pairs, squares)
        change = tf.div_no_nan(tf.minimum(product, 0.0), square)
        return (combined - change[:, tf.newaxis] * pairs,)

    start = tf.linalg.diag(tf.ones_like(squares))
    return tf.reduce_sum(order_lib.visit(order, project, (start,))[0], 0)


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(weights(found.gram, order_lib.orders(problem, "pcgrad")))
