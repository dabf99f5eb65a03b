"""The gradient of each task at the shared bottom, and one update made of them.

The Jacobian has one row for each task: the gradients of its mean loss at all variables of the
shared bottom together. Most methods need only the inner products of the rows, the Gram matrix.

A method decides only how the gradients of the bottom are combined. The variables of a top have the
gradient of their own loss, with weight 1, as in LibMTL and TorchJD's mtl_backward.
"""

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl.objectives import Problem, Update


class Jacobian(NamedTuple):
    """The gradients of each task. K is the number of tasks."""

    problem: Problem
    terms: dict  # task name -> float32 scalar, the loss that is differentiated
    rows: list  # float32 [K, numbers] for each variable of the bottom
    gram: Any  # float64 [K, K], the inner products of the rows; the identity if one is not finite
    tops: list  # (gradient, variable) pairs of the tops

    def update(self, weights, state=(), rows=None):
        """Return the Update whose gradient at the bottom is the weighted sum of the rows.

        Args:
          weights: float64 [K].
          state: as Update.state.
          rows: as `rows`, if others than the gradients are combined.
        """
        weights = tf.cast(weights, tf.float32)
        pairs = []
        for row, variable in zip(rows or self.rows, self.problem.shared):
            direction = tf.matmul(weights[tf.newaxis], row)
            pairs.append((tf.reshape(direction, variable.shape), variable))
        cost = tf.add_n(list(self.terms.values()))
        return Update(cost, dict(self.terms), [*pairs, *self.tops], state, weights=weights)


def build(problem, terms=None):
    """Return the Jacobian of a problem. It costs one backward pass for each task.

    Args:
      problem: Problem.
      terms: dict task name -> float32 scalar, the losses to differentiate; None means the means.
    """
    terms = problem.means if terms is None else terms
    columns, tops = [], {}
    for term in terms.values():
        variables = [*problem.shared, *problem.own]
        gradients = compute_gradients(term, variables, problem.gated)
        columns.append(gradients[: len(problem.shared)])
        for gradient, variable in zip(gradients[len(problem.shared) :], problem.own):
            if gradient is not None:
                tops.setdefault(variable.ref(), []).append(gradient)
    pairs = [(tf.add_n(parts), reference.deref()) for reference, parts in tops.items()]
    rows = [_row(*each) for each in zip(problem.shared, zip(*columns))]
    return Jacobian(problem, dict(terms), rows, gram(rows), pairs)


def compute_gradients(mean, variables, gated):
    """Return the gradients of a mean loss; None where it does not depend on a variable."""
    return tf.gradients(mean, variables, gate_gradients=gated)


def gram(rows):
    """Return the inner products of the rows, float64 [K, K].

    Args:
      rows: list of float32 [K, numbers].
    """
    # In float32, equal gradients could have a cosine above 1, and squares of 1e-23 are 0.
    parts = [tf.cast(row, tf.float64) for row in rows]
    products = tf.add_n([tf.matmul(part, part, transpose_b=True) for part in parts])
    # A NaN would be an error of the solvers. It is still in the rows, so it stops the run.
    finite = tf.reduce_all(tf.is_finite(products))
    return tf.where(finite, products, tf.eye(rows[0].shape.as_list()[0], dtype=tf.float64))


def _row(variable, gradients):
    """Stack the gradients of a variable; zeros where a task does not depend on it."""
    size = variable.shape.num_elements()
    flat = [
        tf.zeros([size]) if each is None else tf.reshape(tf.convert_to_tensor(each), [size])
        for each in gradients
    ]
    return tf.stack(flat)
