"""The mean of the gradients, each first projected so that it raises no loss.

    d = 1/K sum over tasks k of p_k,  p_k = the nearest vector to g_k with p_k . g_j >= 0 for all j

Source: Quinton and Rey 2024, arXiv:2406.16232, section 3 (UPGrad).

State: none.

Identity: d . g_k >= 0 for every task. Without conflict, d is the mean of the gradients.

A gradient of 0 adds nothing and constrains nothing. Two opposite gradients cancel. d is exact to
1e-6 of the largest gradient. The default of TorchJD is a different problem: it adds 1e-4 to the
diagonal of G / trace(G), so a gradient of 1/1000 of the largest hardly constrains d.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Quinton and Rey 2024, arXiv:2406.16232"


def weights(gram):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
    """
    directions = solvers.unit(gram)
    cosines = directions.cosines
    # The projection of u_k is u_k + sum over j of a_j u_j, with the a >= 0 that make it shortest.
    added = solvers.minimum(cosines, cosines)
    is_free = tf.reduce_min(cosines, 1, keepdims=True) >= 0.0
    added = tf.where(tf.broadcast_to(is_free, tf.shape(added)), tf.zeros_like(added), added)
    identity = tf.linalg.diag(tf.ones_like(directions.norms))
    projected = directions.norms[:, tf.newaxis] * (identity + added)
    return tf.reduce_mean(projected, 0) * directions.inverse


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(present.weights(problem, found.gram, weights))
