"""The answer's cost for any tasks: the sum of the logarithms of the losses.

    cost = sum over tasks k of log(clip(L_k, clip_min, clip_max))

Source: the answer of 2016, see mtl/answer.py. It is the logarithm of the product of the losses, so
its descent direction is that of their geometric mean (Chennupati et al. 2019, arXiv:1904.08492,
section 3).

Identity: within the clip, grad cost = sum over k of grad L_k / L_k. Multiplying a loss by a
constant changes no gradient.
"""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.catalogue import CLIP_MAX, CLIP_MIN
from mtl.objectives import Update

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "none"
PASSES = "1 forward, 1 backward"
SOURCE = "the answer, 2016"
USES = ("clip_min", "clip_max")


def term(mean, clip_min=CLIP_MIN, clip_max=CLIP_MAX):
    """Return log(clip(mean, clip_min, clip_max)), a float32 scalar tensor.

    Below clip_min the gradient is 0. With 1e-37 the logarithm stays at -85.2 there.
    """
    return tf.log(tf.clip_by_value(mean, clip_min, clip_max))


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    limits = problem.settings.clip_min, problem.settings.clip_max
    terms = {name: term(mean, *limits) for name, mean in problem.means.items()}
    return Update(functools.reduce(tf.add, terms.values()), terms)


def value(means, settings):
    """Return the cost of mean losses as a float; see mtl.objectives."""
    clipped = np.clip(list(means.values()), settings.clip_min, settings.clip_max)
    return float(np.sum(np.log(clipped)))
