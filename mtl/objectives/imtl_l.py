"""Learned scales of the losses, which make all scaled losses equal to 1.

    cost = sum over tasks k of exp(s_k) L_k - s_k

Source: Liu et al. 2021, "Towards impartial multi-task learning" (ICLR), IMTL-L.

State: s_k, which the optimiser of the weights trains. It starts at 0.

Identity: the best s_k is -log L_k. There, the cost is sum of 1 + log L_k, and its gradient is that
of log_sum. With s negated, the cost is twice that of uncertainty.

A task without a label, or with a loss outside the clip, such as exactly 0, does not change the
network and its s_k. Without that rule, s_k would grow without end.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives.common import weighting

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "learned log scales"
PASSES = "1 forward, 1 backward"
SOURCE = "Liu et al. 2021 (ICLR), IMTL-L"
USES = ("clip_min", "clip_max")


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    inside = weighting.inside(problem)
    losses = weighting.keep(inside, weighting.stack(problem.means), 1.0)
    initial = np.zeros(len(problem.means), np.float32)
    logs = objectives.variable("log_scales", initial, trainable=True).value()
    weights = tf.exp(logs)
    terms = weighting.keep(inside, weights * losses - logs, 0.0)
    return weighting.summed(problem, terms, weights=weighting.keep(inside, weights, 0.0))
