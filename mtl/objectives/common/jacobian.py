"""The gradient of each task at the shared bottom, and one update made of them.

The rows of the Jacobian are the gradients of the mean losses, one for each task, at all variables
of the shared bottom together. Most methods need only their inner products, the Gram matrix.

A method decides only how the gradients of the bottom are combined. The variables of a top have the
gradient of their own loss, with weight 1, as in LibMTL and TorchJD's mtl_backward.
"""

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl.objectives import Problem, Update


class Jacobian(NamedTuple):
    """The gradients of each task. K tasks, P numbers in the variables of the bottom."""

    problem: Problem
    rows: Any  # float32 [K, P]
    gram: Any  # float64 [K, K], rows times rows transposed
    tops: list  # (gradient, variable) pairs of the tops

    def update(self, weights, state=(), rows=None):
        """Return the Update whose gradient at the bottom is the weighted sum of the rows.

        Args:
          weights: float64 [K].
          state: as Update.state.
          rows: float32 [K, P], if others than the gradients are combined.
        """
        means = self.problem.means
        weights = tf.cast(weights, tf.float32)
        rows = self.rows if rows is None else rows
        direction = tf.reshape(tf.matmul(weights[tf.newaxis], rows), [-1])
        shared = self.problem.shared
        parts = tf.split(direction, [variable.shape.num_elements() for variable in shared])
        pairs = [(tf.reshape(part, each.shape), each) for part, each in zip(parts, shared)]
        cost = tf.add_n(list(means.values()))
        return Update(cost, dict(means), [*pairs, *self.tops], state, weights=weights)


def build(problem):
    """Return the Jacobian of a problem. It costs one backward pass for each task."""
    rows, tops = [], {}
    for mean in problem.means.values():
        variables = [*problem.shared, *problem.own]
        gradients = compute_gradients(mean, variables, problem.gated)
        rows.append(_row(gradients[: len(problem.shared)], problem.shared))
        for gradient, variable in zip(gradients[len(problem.shared) :], problem.own):
            if gradient is not None:
                tops.setdefault(variable.ref(), []).append(gradient)
    pairs = [(tf.add_n(parts), reference.deref()) for reference, parts in tops.items()]
    rows = tf.stack(rows)
    gram = tf.cast(tf.matmul(rows, rows, transpose_b=True), tf.float64)
    return Jacobian(problem, rows, gram, pairs)


def compute_gradients(mean, variables, gated):
    """Return the gradients of a mean loss; None where it does not depend on a variable."""
    return tf.gradients(mean, variables, gate_gradients=gated)


def _row(gradients, variables):
    """Join gradients into one vector, with zeros where there is none."""
    parts = []
    for gradient, variable in zip(gradients, variables):
        zeros = tf.zeros([variable.shape.num_elements()])
        parts.append(zeros if gradient is None else tf.reshape(gradient, [-1]))
    return tf.concat(parts, 0)
