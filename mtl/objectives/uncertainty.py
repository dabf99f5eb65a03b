"""Uncertainty weights: a log variance of each task, trained with the network.

    cost = sum over tasks k of L_k / (2 exp(s_k)) + s_k / 2

Every kind of task has this form. For a real task with squared error it is the negative
log-likelihood of a normal distribution of variance exp(s_k). For classes, Kendall et al. derive
L / exp(s) + s / 2; the factor 2 moves s_k by ln 2 and halves the gradient at its optimum.

Source: Kendall, Gal and Cipolla 2018, arXiv:1705.07115; the form of LibMTL and TorchJD.

State: s_k, which the optimiser of the weights trains. It starts at 0, as in TorchJD; LibMTL starts
at -0.5.

Identity: the best s_k is log L_k. There, the cost is sum of (1 + log L_k) / 2, and its gradient is
half that of log_sum: the answer is this method without the delay of learning s_k.

A task without a label, or with a loss outside the clip, such as exactly 0, does not change the
network and its s_k. Without that rule, s_k would fall without end.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives.common import weighting

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "learned log variances"
PASSES = "1 forward, 1 backward"
SOURCE = "Kendall et al. 2018, arXiv:1705.07115"
USES = ("clip_min", "clip_max")


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    inside = weighting.inside(problem)
    losses = weighting.keep(inside, weighting.stack(problem.means), 1.0)
    initial = np.zeros(len(problem.means), np.float32)
    logs = objectives.variable("log_variances", initial, trainable=True).value()
    weights = 0.5 * tf.exp(-logs)
    terms = weighting.keep(inside, weights * losses + 0.5 * logs, 0.0)
    return weighting.summed(problem, terms, weights=weighting.keep(inside, weights, 0.0))
