"""Gradients whose principal components all have the least length.

    d = J' w,  w = sqrt(least eigenvalue of G) G^(-1/2) 1 / K,  G = J J'

Source: Senushkin et al. 2023, arXiv:2305.19000, algorithm 1, with equal preferences 1 / K as in
TorchJD. LibMTL's d is K times as long.

State: none.

Identity: the transformed gradients, of which d is the mean, have singular values that are all
equal: their matrix has condition number 1.

Eigenvalues below 1e-12 of the largest count as 0 and are left out: those of equal gradients or of a
gradient of 0. The smallest gradient decides the length of d.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Senushkin et al. 2023, arXiv:2305.19000"


def balance(gram):
    """Return the matrix that transforms the gradients, float64 [K, K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
    """
    values, vectors = tf.linalg.eigh(gram)
    largest = tf.reduce_max(values)
    used = (values > 1e-12 * largest) & (values > 0.0)
    infinity = tf.fill(tf.shape(values), tf.constant(float("inf"), tf.float64))
    least = tf.reduce_min(tf.where(used, values, infinity))
    ratios = tf.where(used, tf.sqrt(least / tf.abs(values)), tf.zeros_like(values))
    return tf.matmul(vectors * ratios, vectors, transpose_b=True)


def weights(gram):
    """Return the weights of the tasks, float64 [K]; see `balance`."""
    return tf.reduce_mean(balance(gram), 1)


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(present.weights(problem, found.gram, weights))
