"""The tasks that have a label in the batch. Only their gradients are combined.

The gradient of any other task is 0. Taken as a gradient, it would count: mgda would stop the
bottom, and a mean over the tasks would be shorter.
"""

import tensorflow.compat.v1 as tf


def weights(problem, gram, solve):
    """Return the weights of the tasks, float64 [K]; 0 for a task without a label in the batch.

    Args:
      problem: objectives.Problem.
      gram: float64 [K, K], the inner products of the gradients.
      solve: function that returns the weights, float64 [P], of P tasks, at least one, from their
        inner products, float64 [P, P].
    """
    if problem.labelled is None:
        return solve(gram)
    known = problem.labelled()
    known |= ~tf.reduce_any(known)  # without any label, all gradients are 0
    products = tf.boolean_mask(tf.boolean_mask(gram, known), known, axis=1)
    return tf.scatter_nd(tf.where(known), solve(products), [len(problem.means)])
