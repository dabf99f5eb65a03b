"""The answer's own lines, unchanged.

Training minimises `mtl.answer.cost`. Its graph equals that of losses.log_sum, node for node; see
log_sum for the formula. It needs the six tasks of the answer and --absent=x.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl import answer
from mtl.objectives import Update, log_sum
from mtl.tasks import NUMBER_TASKS

NEUTRAL = log_sum.NEUTRAL
NEEDS = "losses"
STATE = "none"
PASSES = "1 forward, 1 backward"
SOURCE = "the answer, 2016"
value = log_sum.value


def build(problem):
    """Build the cost from logits and labels; see mtl.objectives for the arguments."""
    cost = answer.cost(problem.logits, problem.labels)
    names = [task.name for task in NUMBER_TASKS]  # the order of the answer's lines
    terms = dict(zip(names, _terms(cost, len(names))))
    weights = functools.partial(_weights, problem)
    return Update(cost, {name: terms[name] for name in problem.logits}, weights=weights)


def _weights(problem):
    """Return the weight of each task's gradient; the cost does not depend on problem.means."""
    means = list(problem.means.values())
    return tf.stack(tf.gradients([log_sum.term(mean) for mean in means], means))


def _terms(cost, count):
    """Return, in order, the `count` terms of a sum that tf.add built from left to right."""
    if count == 1:
        return [cost]
    rest, last = cost.op.inputs
    return [*_terms(rest, count - 1), last]
