"""Soft optimal uncertainty weights: the softmax of 1 / loss over the tasks.

    cost = sum over tasks k of w_k L_k,  w = softmax(1 / (T clip(L, clip_min, clip_max)))

The weights count as constants. Tasks without a label in the batch have weight 0.

Source: Kirchdorfer et al. 2024, arXiv:2408.07985 (UW-SO).

Identity: the weights sum to 1. For T -> infinity they are 1/K, the direction of linear; for T -> 0
the task of the smallest loss has weight 1. Weights 1 / L_k without the softmax (UW-O) would give
the gradient of log_sum, and they are what the softmax adds to 1/K at first order:
w_k = 1/K + (1/L_k - mean of 1/L) / (K T) for large T.

A loss of exactly 0 counts as clip_min, and its task has weight 1: the others learn nothing until it
rises. Smoothed labels prevent this.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.objectives.common import weighting

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "none"
PASSES = "1 forward, 1 backward"
SOURCE = "Kirchdorfer et al. 2024, arXiv:2408.07985"
OPTIONS = {"temperature": (10.0, 0.01, 1e6)}
USES = ("clip_min", "clip_max")
_LARGEST = 3e38  # near the largest float32


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    limits, temperature = problem.settings, problem.settings.options["temperature"]
    losses = tf.clip_by_value(weighting.stack(problem.means), limits.clip_min, limits.clip_max)
    logits = tf.minimum(1.0 / losses / temperature, _LARGEST)  # the softmax of infinity is NaN
    logits = weighting.keep(weighting.labelled(problem), logits, -_LARGEST)
    return weighting.weighted(problem, tf.nn.softmax(logits))


def value(means, settings):
    """Return the cost of mean losses as a float; see mtl.objectives."""
    losses = np.array(list(means.values()), np.float64)
    clipped = np.clip(losses, settings.clip_min, settings.clip_max)
    logits = 1.0 / clipped / settings.options["temperature"]
    weights = np.exp(logits - logits.max())
    return float(np.sum(weights / weights.sum() * losses))
