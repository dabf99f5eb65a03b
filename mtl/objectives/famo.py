"""Fast adaptive optimisation: the logarithms of all losses fall equally fast.

    cost = sum over tasks k of c z_k log(clip(L_k, clip_min, clip_max))
    z = softmax(w),  1/c = sum over tasks k of z_k / L_k;  c and z count as constants

After each update of the network, the losses of the same batch are computed again. With
d_k = log L_k before - log L_k after, w makes one step of its own Adam (beta 0.9 and 0.999, epsilon
1e-8) along d(sum of z_k d_k)/dw + decay w. So a task that fell more than the others loses weight.

Source: Liu et al. 2023, arXiv:2306.03792, algorithm 2. The decay is 1e-3 in the paper and in
TorchJD, 1e-5 in the paper's code.

State: w, the two moments of its Adam, and their number of updates.

Identity: the weights of the gradients, c z_k / L_k, sum to 1. While w is 0, as in the first step,
they are the direction of log_sum.

A task without a label, or with a loss outside the clip, such as exactly 0, has weight 0, and its
loss does not change w. The peers add 1e-8 to each loss instead, so that such a task has all the
weight.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives.common import weighting
from mtl.objectives.log_sum import term

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "weights and their Adam"
PASSES = "2 forward, 1 backward"
SOURCE = "Liu et al. 2023, arXiv:2306.03792"
OPTIONS = {"rate": (0.025, 0.0, 10.0), "decay": (1e-3, 0.0, 1.0)}
USES = ("clip_min", "clip_max")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of PyTorch's Adam


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    zeros = np.zeros(len(problem.means), np.float32)
    variables = [objectives.variable(name, zeros) for name in ("logits", "mean", "variance")]
    variables.append(objectives.variable("updates", np.float32(0.0)))
    values = [each.value() for each in variables]
    shares = tf.nn.softmax(values[0])

    inside = weighting.inside(problem)
    losses = weighting.stack(problem.means)
    counted = weighting.keep(inside, shares, 0.0)
    slopes = counted / weighting.keep(inside, losses, 1.0)
    scale = tf.math.divide_no_nan(1.0, tf.reduce_sum(slopes))
    limits = problem.settings.clip_min, problem.settings.clip_max
    before = term(losses, *limits)

    def follow(means):
        change = tf.stop_gradient(before - term(weighting.stack(means), *limits))
        fall = tf.math.divide_no_nan(tf.reduce_sum(counted * change), tf.reduce_sum(counted))
        gradient = weighting.keep(inside, shares * (change - fall), 0.0)
        return list(zip(variables, _adam(values, gradient, problem.settings.options)))

    weights = tf.stop_gradient(scale * slopes)
    terms = tf.stop_gradient(scale * counted) * before
    return weighting.summed(problem, terms, weights=weights, follow=follow)


def _adam(values, gradient, options):
    """Return the new logits, mean, variance and number of updates of PyTorch's Adam."""
    logits, mean, variance, updates = values
    gradient += options["decay"] * logits
    updates += 1.0
    mean = BETA1 * mean + (1.0 - BETA1) * gradient
    variance = BETA2 * variance + (1.0 - BETA2) * tf.square(gradient)
    unbiased = tf.sqrt(variance / (1.0 - tf.pow(BETA2, updates))) + EPSILON
    logits -= options["rate"] * mean / (1.0 - tf.pow(BETA1, updates)) / unbiased
    return logits, mean, variance, updates
