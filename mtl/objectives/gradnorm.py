"""Weights that make the gradient norms of all tasks fit their training rates.

    cost = sum over tasks k of w_k L_k,  w = K softmax(v),  w counts as constant
    v minimises sum over k of |w_k n_k - target_k|
    target_k = mean of (w n) (r_k / mean of r)^alpha

n_k is the norm of the gradient of L_k at the variables of the last shared layer: one short backward
pass for each task. r_k = L_k / L_k(0), with the first loss of the task. n_k and the targets count
as constants. A task that fell less than the others gets a larger norm. The means are over the tasks
with a label in the batch.

Source: Chen et al. 2018, arXiv:1711.02257, algorithm 1. Differences: the paper rescales the weights
to the sum K after each step, and could make one negative; this softmax is that of LibMTL. The paper
trains w with a learning rate of its own, here the optimiser of the network trains v.

State: v, which starts at 0, and L_k(0).

Identity: the weights sum to K, and are 1 at first. With alpha:0 the norms w_k n_k become equal.

r_k is 1 if L_k(0) is 0. If the gradient of a task is 0, its weight changes only because the weights
of the others do and the sum is K.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import layers, objectives
from mtl.objectives.common import jacobian, weighting

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "learned weights, first losses"
PASSES = "1 forward, 1 backward, K short"
SOURCE = "Chen et al. 2018, arXiv:1711.02257"
OPTIONS = {"alpha": (1.5, 0.0, 10.0)}


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    zeros = np.zeros(len(problem.means), np.float32)
    logits = objectives.variable("logits", zeros, trainable=True).value()
    weights = float(len(problem.means)) * tf.nn.softmax(logits)
    first = objectives.variable("first_losses", zeros)
    losses, known = tf.stop_gradient(weighting.stack(problem.means)), weighting.labelled(problem)
    old = first.value()
    start = tf.where(known & (old <= 0.0), losses, old)

    distance = _distance(problem, weights, tf.where(start > 0.0, losses / start, zeros + 1), known)
    update = weighting.weighted(problem, weights, state=[(first, start)])
    # The distance adds its gradient to the cost, but not its value, so the cost is still a sum.
    return update._replace(cost=update.cost + distance - tf.stop_gradient(distance))


def _distance(problem, weights, ratios, known):
    """Return how far the norms of the weighted gradients are from their targets, a scalar."""
    norms = weights * tf.stop_gradient(_norms(problem))
    rates = tf.math.divide_no_nan(ratios, weighting.mean_of(known, ratios))
    targets = weighting.mean_of(known, norms) * tf.pow(rates, problem.settings.options["alpha"])
    distances = tf.abs(norms - tf.stop_gradient(targets))
    return tf.reduce_sum(weighting.keep(known, distances, 0.0))


def _norms(problem):
    """Return the norm of each task's gradient at the last shared layer, float32 [tasks]."""
    scope = _scope(problem.shared[-1])
    last = [each for each in problem.shared if _scope(each) == scope]
    norms = []
    for mean in problem.means.values():
        gradients = jacobian.compute_gradients(mean, last, problem.gated)
        if problem.whole:
            (gradients,) = problem.whole([gradients], last)
        norms.append(tf.linalg.global_norm(gradients))
    return tf.stack(norms)


def _scope(variable):
    return layers.name_of(variable).rpartition("/")[0]
