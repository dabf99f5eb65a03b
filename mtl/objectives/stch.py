"""Smooth Tchebycheff: a soft maximum of the losses, or of their logarithms.

    cost = mu log(sum over tasks k of exp(w_k f_k / mu))
    f_k = log(clip(L_k / z_k, clip_min, clip_max)), or L_k / z_k with the option logs:0

w_k are the --task_weights, by default 1. z_k, the nadir, is 1, or with the option nadir_steps:N the
mean of L_k over the first N steps, in which the cost is that of log_sum. The sum is over the tasks
with a label in the batch.

Source: Lin et al. 2024, arXiv:2402.19078 (STCH). Its code for many tasks has logs:1
and measures the nadir; TorchJD has logs:0 and the weights 1/K.

State: with nadir_steps, the sums and the numbers of the first losses.

Identity: max f <= cost <= max f + mu ln K, with weights of 1. With logs:1, the family of the answer
and of the plain sum: the gradient is sum of p_k grad L_k, p_k in proportion to L_k^(1/mu - 1). mu
-> infinity is the direction of log_sum, mu:1 that of linear, mu -> 0 trains only the largest loss.

A loss of exactly 0 counts as clip_min under logs:1, and its task has gradient 0.
"""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import objectives
from mtl.objectives import Update
from mtl.objectives.common import weighting
from mtl.objectives.log_sum import term

NEUTRAL = 1.0
NEEDS = "losses"
STATE = "the nadir, with nadir_steps"
PASSES = "1 forward, 1 backward"
SOURCE = "Lin et al. 2024, arXiv:2402.19078"
OPTIONS = {"mu": (0.5, 0.001, 1e6), "logs": (1, 0, 1), "nadir_steps": (0, 0, 1_000_000_000)}
USES = ("task_weights", "clip_min", "clip_max")
_LOWEST = -3e38  # near the least float32: its exponential adds nothing


def build(problem):
    """Build the cost from the mean losses; see mtl.objectives for the arguments."""
    losses, steps = weighting.stack(problem.means), problem.settings.options["nadir_steps"]
    if not steps:
        return Update(_soft_maximum(problem, losses), dict(problem.means))
    nadir, warm, state = _nadir(problem, losses, steps)
    limits = problem.settings.clip_min, problem.settings.clip_max
    log_sum = functools.reduce(tf.add, [term(mean, *limits) for mean in problem.means.values()])
    cost = tf.where(warm, log_sum, _soft_maximum(problem, losses / nadir))
    return Update(cost, dict(problem.means), state=state)


def value(means, settings):
    """Return the cost of mean losses as a float, or None if it depends on a measured nadir."""
    options = settings.options
    if options["nadir_steps"]:
        return None
    values = np.array(list(means.values()), np.float64)
    if options["logs"]:
        values = np.log(np.clip(values, settings.clip_min, settings.clip_max))
    weights = [settings.weights.get(name, 1.0) for name in means]
    return float(options["mu"] * np.logaddexp.reduce(weights * values / options["mu"]))


def _soft_maximum(problem, values):
    """Return mu log(sum of exp(w f / mu)), a float32 scalar."""
    settings = problem.settings
    if settings.options["logs"]:
        values = term(values, settings.clip_min, settings.clip_max)
    weights = np.float32([settings.weights.get(name, 1.0) for name in problem.means])
    mu = settings.options["mu"]
    exponents = weighting.keep(weighting.labelled(problem), weights / mu * values, _LOWEST)
    return mu * tf.reduce_logsumexp(exponents)


def _nadir(problem, losses, steps):
    """Measure the nadir over the first steps.

    Returns:
      float32 [tasks], the mean losses, 1 where unknown or 0; bool scalar, whether this step is one
      of the first; and the (variable, tensor) pairs of Update.state.
    """
    zeros = np.zeros(len(problem.means), np.float32)
    variables = [objectives.variable(name, zeros) for name in ("nadir_sum", "nadir_count")]
    variables.append(objectives.variable("nadir_steps", np.int64(0)))
    total, count, done = (each.value() for each in variables)
    nadir = tf.math.divide_no_nan(total, count)
    warm = done < steps
    known = weighting.labelled(problem) & warm
    state = (
        total + weighting.keep(known, tf.stop_gradient(losses), 0.0),
        count + tf.cast(known, tf.float32),
        done + tf.cast(warm, tf.int64),
    )
    nadir = tf.where(nadir > 0.0, nadir, zeros + 1)
    return nadir, warm, list(zip(variables, state))
