"""The answer's cost for any tasks, the sum of the logarithms of the mean losses.

    cost = sum over tasks k of log(clip(L_k, 1e-37, 1e37))

Source: the answer of 2016, see mtl/answer.py. It is the logarithm of the product of the losses, so
its descent direction is that of their geometric mean (Chennupati et al. 2019, arXiv:1904.08492,
section 3).

Identity: within the clip, grad cost = sum over k of grad L_k / L_k. Multiplying a loss by a
constant changes no gradient.
"""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.objectives import Update

# Below the floor the logarithm stays at ln(1e-37) = -85.2 and the gradient is 0.
CLIP_FLOOR, CLIP_CEILING = 1e-37, 1e37
NEUTRAL = 1.0


def term(mean):
    """Return log(clip(mean, 1e-37, 1e37)), a float32 scalar tensor."""
    return tf.log(tf.clip_by_value(mean, CLIP_FLOOR, CLIP_CEILING))


def build(logits, labels, means):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    terms = {name: term(mean) for name, mean in means.items()}
    return Update(functools.reduce(tf.add, terms.values()), terms)


def value(means):
    """Return the cost of mean losses as a float; see mtl.objectives."""
    return float(np.sum(np.log(np.clip(list(means.values()), CLIP_FLOOR, CLIP_CEILING))))
