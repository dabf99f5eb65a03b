"""The update near the mean gradient that improves the worst task most.

    d = argmax over d of min over tasks k of g_k . d, with norm(d - g0) <= c norm(g0)
      = g0 + c norm(g0) g_w / norm(g_w),  g0: the mean gradient, g_w = sum over k of w_k g_k

Source: Liu et al. 2021, arXiv:2110.14048, algorithm 1.

State: none.

Identity: c = 0 gives the mean of the gradients. norm(d - g0) <= c norm(g0).

A task whose gradient is 0 counts in g0 only; d still solves the problem. If the gradients can
cancel, g_w = 0 and any d in the ball may be a solution; then d is about g0. TorchJD returns 0 in
both cases. LibMTL divides d by 1 + c^2 by default, TorchJD does not. If g0 = 0, d = 0. The worst
g_k . d is exact to 1e-6 of norm(g0) times the smallest gradient.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Liu et al. 2021, arXiv:2110.14048"
OPTIONS = {"c": (0.5, 0.0, 10.0)}


def weights(gram, c):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
      c: float, the radius of the ball around the mean gradient, divided by its norm.
    """
    directions = solvers.unit(gram)
    count = tf.reduce_sum(tf.ones_like(directions.norms))
    norm = tf.sqrt(tf.maximum(tf.reduce_sum(gram), 0.0)) / count
    if c == 0.0:
        return tf.ones_like(directions.norms) / count
    is_zero = tf.cast(tf.equal(directions.norms, 0.0), tf.float64)
    # Of the mean gradient; a gradient of 0 gets a constraint that always holds.
    cosines = tf.linalg.matvec(directions.cosines, directions.norms)
    cosines = tf.div_no_nan(cosines, count * norm) + is_zero
    scales = solvers.scales(directions)
    values, vectors = tf.linalg.eigh(directions.cosines)
    roots = tf.sqrt(tf.maximum(values, solvers.RIDGE))
    added = solvers.worst_product(vectors * roots, cosines, scales, c)  # in K coordinates
    added = tf.where(values > solvers.SMALLEST, added / roots, tf.zeros_like(added))
    added = tf.linalg.matvec(vectors, added) * directions.inverse
    return 1.0 / count + norm * added


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    solve = functools.partial(weights, c=problem.settings.options["c"])
    return found.update(present.weights(problem, found.gram, solve))
