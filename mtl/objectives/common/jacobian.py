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
    products: list  # Product for each variable of the bottom, or None
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
        for index, variable in enumerate(self.problem.shared):
            product = None if rows else self.products[index]
            row = product.stacked if product else (rows or self.rows)[index]
            direction = tf.matmul(weights[tf.newaxis], row)
            if product:
                direction = tf.reshape(direction, [-1, variable.shape[1]])
                direction = tf.matmul(product.x, direction, transpose_a=True)
            pairs.append((tf.reshape(direction, variable.shape), variable))
        cost = tf.add_n(list(self.terms.values()))
        return Update(cost, dict(self.terms), [*pairs, *self.tops], state, weights=weights)


class Product(NamedTuple):
    """The gradients of a dense layer as products: task k's gradient is x' y_k."""

    x: Any  # float32 [batch, inputs], the input of the layer
    stacked: Any  # float32 [K, batch * outputs], the y_k: the gradients of its output

    def shortened(self):
        """Return shorter vectors with the inner products of the gradients, float64 [K, numbers].

        With a root of x x' = R R', they are the R' y_k (compare Goodfellow 2015, arXiv:1510.01799).
        Their Gram matrix is positive semidefinite, and is exact to 1e-13 of the products of
        norm(x) norm(y_k).
        """
        x = tf.cast(self.x, tf.float64)
        size = tf.shape(x)[0]
        identity = tf.eye(size, dtype=tf.float64)
        square = tf.matmul(x, x, transpose_b=True)
        # Cholesky's algorithm fails without full rank, and if a number is not finite.
        trace = tf.linalg.trace(square)
        square += 1e-13 * trace * identity
        regular = tf.reduce_all(tf.is_finite(square)) & (trace > 0.0)
        root = tf.linalg.cholesky(tf.where(regular, square, identity))
        root = tf.where(regular, root, square)
        tasks = self.stacked.shape[0]
        y = tf.reshape(tf.cast(self.stacked, tf.float64), [tasks, size, -1])
        roots = tf.broadcast_to(root, [tasks, size, size])
        return tf.reshape(tf.matmul(roots, y, transpose_a=True), [tasks, -1])


def build(problem, terms=None):
    """Return the Jacobian of a problem. It costs one backward pass for each task.

    Args:
      problem: Problem.
      terms: dict task name -> float32 scalar, the losses to differentiate; None means the means.
    """
    terms = problem.means if terms is None else terms
    variables = [*problem.shared, *problem.own]
    found = [compute_gradients(term, variables, problem.gated) for term in terms.values()]
    if problem.whole:
        found = problem.whole(found, variables)
    columns, tops = [], {}
    for gradients in found:
        columns.append(gradients[: len(problem.shared)])
        for gradient, variable in zip(gradients[len(problem.shared) :], problem.own):
            if gradient is not None:
                tops.setdefault(variable.ref(), []).append(gradient)
    pairs = [(tf.add_n(parts), reference.deref()) for reference, parts in tops.items()]
    columns = list(zip(*columns))
    rows = [_row(*each) for each in zip(problem.shared, columns)]
    products = [_product(each, problem.batch_size) for each in columns]
    parts = [each.shortened() if each else row for row, each in zip(rows, products)]
    return Jacobian(problem, dict(terms), rows, products, gram(parts), pairs)


def compute_gradients(mean, variables, gated):
    """Return the gradients of a mean loss; None where it does not depend on a variable."""
    return tf.gradients(mean, variables, gate_gradients=gated)


def gram(rows):
    """Return the inner products of the rows, float64 [K, K].

    Args:
      rows: list of float32 or float64 [K, numbers].
    """
    # In float32, equal gradients could have a cosine above 1, and squares of 1e-23 are 0.
    parts = [tf.cast(row, tf.float64) for row in rows]
    products = tf.add_n([tf.matmul(part, part, transpose_b=True) for part in parts])
    # A NaN would be an error of the solvers. It is still in the rows, so it stops the run.
    finite = tf.reduce_all(tf.is_finite(products))
    return tf.where(finite, products, tf.eye(rows[0].shape.as_list()[0], dtype=tf.float64))


def _product(gradients, batch):
    """Return the Product of the gradients of a variable, or None without a gain.

    Args:
      gradients: list of tensors, or None.
      batch: int, the expected size of a batch, or 0 if unknown.
    """
    factors = [_factors(each) for each in gradients]
    if not batch or None in factors or len({x.ref() for x, _ in factors}) > 1:
        return None
    x, tasks = factors[0][0], len(factors)
    inputs, outputs = (each.shape[1] for each in factors[0])
    # Multiplications; to stack and cast a number costs as much as 16 of them.
    if batch**2 * (inputs + tasks * outputs) > inputs * outputs * tasks * (tasks + 16):
        return None
    return Product(x, tf.stack([tf.reshape(y, [-1]) for _, y in factors]))


def _factors(gradient):
    """Return (x, y) if a gradient is the product x' y of two float32 matrices, else None."""
    if not isinstance(gradient, tf.Tensor):  # None, or the gradient of tf.gather
        return None
    operation = gradient.op
    while operation.type == "Identity":  # of gate_gradients
        operation = operation.inputs[0].op
    if operation.type != "MatMul" or gradient.dtype != tf.float32:
        return None
    transposed = [operation.get_attr(f"transpose_{side}") for side in "ab"]
    return tuple(operation.inputs) if transposed == [True, False] else None


def _row(variable, gradients):
    """Stack the gradients of a variable; zeros where a task does not depend on it."""
    size = variable.shape.num_elements()
    flat = [
        tf.zeros([size]) if each is None else tf.reshape(tf.convert_to_tensor(each), [size])
        for each in gradients
    ]
    return tf.stack(flat)
