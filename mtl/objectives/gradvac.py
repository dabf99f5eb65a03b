"""Gradients turned towards each other until their cosines reach a running mean.

    d = sum over tasks k of p_k,  p_k = g_k, then for each other task j in random order, with
    c = cos(p_k, g_j) and its running mean t_kj:
    if c < t_kj:  p_k += norm(p_k) (t_kj sqrt(1 - c^2) - c sqrt(1 - t_kj^2))
                         / (norm(g_j) sqrt(1 - t_kj^2)) g_j
    t_kj = (1 - beta) t_kj + beta c

Source: Wang et al. 2021, arXiv:2010.05874, equation 2 and algorithm 1.

State: the running means t, K x K, which start at 0. The order is a function of the seed of the run
and of the step.

Identity: after a change, cos(p_k, g_j) = t_kj. With beta 0 all targets stay 0, which is PCGrad.

A gradient of 0 has no cosine, so it changes no other gradient and no running mean. LibMTL updates
a mean only if c < t_kj; the paper and TorchJD always update it. Both have the same default of beta.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives.common import jacobian, order as order_lib

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "mean cosines of the tasks"
PASSES = "1 forward, K backward"
SOURCE = "Wang et al. 2021, arXiv:2010.05874"
OPTIONS = {"beta": (0.5, 0.0, 1.0)}


def weights(gram, order, targets, beta):
    """Return the weights of the tasks, float64 [K], and the new targets, float64 [K, K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
      order: int32 [K, K], see common/order.py.
      targets: float64 [K, K], the running means of the cosines.
      beta: float, the share of the new cosine in its running mean.
    """
    lengths = tf.sqrt(tf.linalg.diag_part(gram))

    def turn(pairs, combined, targets):
        products = tf.matmul(combined, gram)
        square = tf.reduce_sum(products * combined, 1)
        length, other = tf.sqrt(tf.maximum(square, 0.0)), tf.linalg.matvec(pairs, lengths)
        cosine = tf.div_no_nan(tf.reduce_sum(products * pairs, 1), length * other)
        cosine = tf.clip_by_value(cosine, -1.0, 1.0)
        target = tf.reduce_sum(targets * pairs, 1)
        sine, target_sine = tf.sqrt(1.0 - cosine**2), tf.sqrt(1.0 - target**2)
        change = length * (target * sine - cosine * target_sine)
        change = tf.div_no_nan(change, other * target_sine)
        change = tf.where(cosine < target, change, tf.zeros_like(change))
        moved = tf.where(length * other > 0.0, beta * (cosine - target), tf.zeros_like(cosine))
        combined += change[:, tf.newaxis] * pairs
        return combined, targets + moved[:, tf.newaxis] * pairs

    start = tf.linalg.diag(tf.ones_like(lengths))
    combined, targets = order_lib.visit(order, turn, (start, targets))
    return tf.reduce_sum(combined, 0), targets


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    count = len(problem.means)
    targets = objectives.variable("cosines", np.zeros([count, count]))
    order = order_lib.orders(problem, "gradvac")
    beta = problem.settings.options["beta"]
    combined, new = weights(found.gram, order, targets.value(), beta)
    return found.update(combined, [(targets, new)])
