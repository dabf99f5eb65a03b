"""Robust weights: a task far from its best reachable loss gains weight.

    direction at the bottom = sum over tasks k of w_k g_k
    w_k in proportion to w_k exp(rate e_k / E_k),  e_k = sum over parameters p of g_kp^2 / h_kp,
    h_kp = sqrt(1e-7 + sum of g_kp^2 over all steps so far)

g_k is the gradient of L_k at the shared bottom. e_k estimates the excess risk: how much of L_k can
still be removed, with the curvature of AdaGrad. E_k is the mean of e_k over the first `warmup`
steps, in which w_k does not change. It starts at 1/K.

Source: He et al. 2024, "Robust multi-task learning with excess risks" (ICML), equations 6 to 9. In
the paper's code the weights start at 1, in TorchJD at 1/K.

State: the logarithms of the weights, the number of steps and the sum of e_k in the warmup of each
task, and the sums of squared gradients: as many numbers as tasks times parameters of the bottom.

Identity: the weights sum to 1. With rate -> 0 they stay 1/K, the direction of linear.

A task whose E_k is 0 counts as e_k / E_k = 0. A task with gradient 0 has e_k = 0. Steps without a
label of a task do not count for it: its w_k does not change.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives.common import jacobian, weighting

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "weights, squares of all gradients"
PASSES = "1 forward, K backward"
SOURCE = "He et al. 2024 (ICML)"
OPTIONS = {"rate": (1.0, 0.0, 1000.0), "warmup": (1, 1, 1_000_000_000)}
SMALL = 1e-7  # added to the sums of squares, as in the paper's code
_LOWEST = -3e38  # near the least float32: its exponential adds nothing


def build(problem):
    """Build the gradients from the mean losses; see mtl.objectives for the arguments."""
    options, gradients = problem.settings.options, jacobian.build(problem)
    tasks = len(problem.means)
    variables = (
        objectives.variable("log_weights", np.full(tasks, -np.log(tasks), np.float32)),
        objectives.variable("first_excess", np.zeros(tasks, np.float32)),
        objectives.variable("steps", np.zeros(tasks, np.int64)),
    )
    logs, first, steps = (each.value() for each in variables)
    excess, squares = _excess(problem, gradients.rows)
    known = weighting.labelled(problem)
    steps += tf.cast(known, tf.int64)
    warm = steps <= options["warmup"]
    ratios = tf.math.divide_no_nan(excess, first / float(options["warmup"]))
    logs = _moved(logs, options["rate"] * ratios, known & ~warm)
    state = (logs, first + weighting.keep(known & warm, excess, 0.0), steps)
    return gradients.update(tf.exp(logs), state=[*zip(variables, state), *squares])


def _moved(logs, rises, moving):
    """Raise the logarithms of the moving weights, whose sum stays the same, float32 [tasks]."""
    raised = logs + rises
    before, after = (
        tf.reduce_logsumexp(weighting.keep(moving, each, _LOWEST)) for each in (logs, raised)
    )
    return tf.nn.log_softmax(tf.where(moving, raised + before - after, logs))


def _excess(problem, rows):
    """Return the excess risks, float32 [tasks], and the (variable, tensor) pairs of the squares."""
    excess, pairs = [], []
    for row, variable in zip(rows, problem.shared):
        zeros = np.zeros(row.shape, np.float32)
        squares = objectives.variable(f"squares/{variable.op.name}", zeros)
        square = tf.square(row)
        total = squares.value() + square
        excess.append(tf.reduce_sum(square / tf.sqrt(total + SMALL), axis=1))
        pairs.append((squares, total))
    return tf.add_n(excess), pairs
