"""The plain sum of the mean losses, as the answer's text describes it.

    cost = sum over tasks k of w_k L_k, with the weights of --task_weights, by default 1

Source: Goodfellow et al. 2013, arXiv:1312.6082, section 3: the log-likelihood of a number is the
sum of the log-likelihoods of its length and its digits.

Identity: grad cost = sum over k of w_k grad L_k, whether a task is solved or not.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl.objectives import Update

NEUTRAL = 0.0
NEEDS = "losses"
STATE = "none"
PASSES = "1 forward, 1 backward"
SOURCE = "Goodfellow et al. 2013, arXiv:1312.6082"
USES = ("task_weights",)


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    weights = problem.settings.weights
    terms = {}
    for name, mean in problem.means.items():
        # A task of weight 1 needs no product, so the graph without weights stays the same.
        terms[name] = weights[name] * mean if weights.get(name, 1.0) != 1.0 else mean
    return Update(functools.reduce(tf.add, terms.values()), terms)


def value(means, settings):
    """Return the cost of mean losses as a float; see mtl.objectives."""
    return float(sum(settings.weights.get(name, 1.0) * mean for name, mean in means.items()))
