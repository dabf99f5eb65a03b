"""Random weights, drawn anew in each step: the softmax of normal numbers.

    cost = sum over tasks k of w_k L_k,  w = softmax(x),  x_k ~ N(0, 1)

Source: Lin et al. 2022, arXiv:2111.10603, algorithm 2 (RLW).

State: none. The weights are a function of the seed of the run and of the step.

Identity: the weights sum to 1, and all have the mean 1/K. So the expected gradient is that of
linear, divided by K: the method is linear with noise, a control for the others.
"""

import tensorflow.compat.v1 as tf

from mtl import layers
from mtl.objectives.common import weighting

NEUTRAL = 0.0
NEEDS = "losses"
STATE = "none"
PASSES = "1 forward, 1 backward"
SOURCE = "Lin et al. 2022, arXiv:2111.10603"


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    # The name keeps these numbers apart from the dropout masks of the same step.
    seed = problem.settings.seed ^ layers.key("objective/rlw")
    key = tf.stack([seed, tf.cast(problem.step, tf.int64)])
    normals = tf.random.stateless_normal([len(problem.means)], seed=key)
    return weighting.weighted(problem, tf.nn.softmax(normals))
