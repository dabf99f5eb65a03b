"""Costs that are sums of the mean losses, with weights that change from step to step."""

import functools

import tensorflow.compat.v1 as tf

from mtl.objectives import Update


def stack(means):
    """Return mean losses, dict task name -> float32 scalar, as one tensor, float32 [tasks]."""
    return tf.stack(list(means.values()))


def labelled(problem):
    """Return whether the batch has a label of each task, bool [tasks]."""
    if problem.labelled is None:
        return tf.ones([len(problem.means)], tf.bool)
    return problem.labelled()


def inside(problem):
    """Return which tasks have a label in the batch and a loss within the clip, bool [tasks].

    The other tasks have gradient 0, as under log_sum.
    """
    losses, limits = stack(problem.means), problem.settings
    within = (losses >= limits.clip_min) & (losses <= limits.clip_max)
    return within if problem.labelled is None else within & problem.labelled()


def keep(which, values, otherwise):
    """Return the values where `which` is true, elsewhere a constant; no gradient flows elsewhere.

    Args:
      which: bool [tasks].
      values: float32 [tasks].
      otherwise: float.
    """
    return tf.where(which, values, tf.fill(tf.shape(values), otherwise))


def mean_of(which, values):
    """Return the mean of the values where `which` is true, a float32 scalar; 0 without any."""
    count = tf.reduce_sum(tf.cast(which, tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(keep(which, values, 0.0)), count)


def weighted(problem, weights, **others):
    """Return the Update of cost = sum of w_k L_k.

    Args:
      problem: objectives.Problem.
      weights: float32 [tasks]. They count as constants: no gradient flows through them.
      others: other fields of the Update.
    """
    weights = tf.stop_gradient(weights)
    pairs = zip(problem.means.items(), tf.unstack(weights))
    terms = {name: weight * mean for (name, mean), weight in pairs}
    return Update(functools.reduce(tf.add, terms.values()), terms, weights=weights, **others)


def summed(problem, terms, **others):
    """Return the Update of cost = sum of the terms, float32 [tasks]; others: as `weighted`."""
    named = dict(zip(problem.means, tf.unstack(terms)))
    return Update(functools.reduce(tf.add, named.values()), named, **others)
