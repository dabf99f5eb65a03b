"""Dynamic weight average: a task whose loss falls more slowly gains weight.

    cost = sum over tasks k of w_k L_k,  w = K softmax(r / T),  r_k = a_k / b_k

a_k and b_k are the means of L_k over the last window of steps and over the one before. The paper
has epochs for windows. Training data of mtl may have no epochs, so a window is a number of steps.

Source: Liu, Johns and Davison 2019, arXiv:1803.10704 (DWA).

State: the sum and the number of the losses of this window, and the means of the last two.

Identity: the weights sum to K, and are 1 in the first two windows: there, r is 1. T -> infinity is
linear.

r_k is 1 where b_k is 0 or not known yet. A task without a label in a whole window keeps its means.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives.common import weighting

NEUTRAL = 0.0
NEEDS = "losses"
STATE = "mean losses of three windows"
PASSES = "1 forward, 1 backward"
SOURCE = "Liu et al. 2019, arXiv:1803.10704"
OPTIONS = {"temperature": (2.0, 0.01, 1e6), "window": (100, 1, 1_000_000)}


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    zeros = np.zeros(len(problem.means), np.float32)
    names = ("last", "before", "sum", "count")
    variables = [objectives.variable(name, zeros) for name in names]
    variables.append(objectives.variable("steps", np.int64(0)))
    last, before, total, count, steps = (each.value() for each in variables)

    options, tasks = problem.settings.options, float(len(problem.means))
    rates = tf.where(before > 0.0, tf.math.divide_no_nan(last, before), zeros + 1)
    weights = tasks * tf.nn.softmax(rates / options["temperature"])

    known = weighting.labelled(problem)
    total += weighting.keep(known, tf.stop_gradient(weighting.stack(problem.means)), 0.0)
    count += tf.cast(known, tf.float32)
    steps += 1
    ended = tf.equal(steps, options["window"])
    moved = ended & (count > 0.0)
    state = (
        tf.where(moved, tf.math.divide_no_nan(total, count), last),
        tf.where(moved, last, before),
        tf.where(moved, zeros, total),
        tf.where(moved, zeros, count),
        tf.where(ended, np.int64(0), steps),
    )
    return weighting.weighted(problem, weights, state=list(zip(variables, state)))
