"""Small convex problems over the tasks, solved in the graph in float64.

The problems are stated for gradients of norm 1, so lengths of 1e-4 and 1e4 in one problem lose no
digits. Each loop ends at its tolerance or after LIMIT iterations.
"""

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

# Added to the diagonal of the cosines. Without it, gradients that are linearly dependent, such as
# two opposite ones, would have a singular matrix and unbounded weights.
RIDGE = 1e-12
LIMIT = 60  # iterations; the usual number is 5 to 20
SMALLEST = 1e-11  # smaller eigenvalues of the cosines are rounding errors


class Unit(NamedTuple):
    """The Gram matrix of K gradients, split into directions and lengths. All are float64."""

    cosines: Any  # [K, K]; a gradient of 0 is orthogonal to the others
    norms: Any  # [K]
    inverse: Any  # [K], 1 / norms, but 0 for a gradient of 0


def unit(gram):
    """Return the Unit of a Gram matrix, float64 [K, K]."""
    norms = tf.sqrt(tf.linalg.diag_part(gram))
    inverse = tf.div_no_nan(tf.ones_like(norms), norms)
    cosines = gram * inverse[:, tf.newaxis] * inverse
    cosines = tf.linalg.set_diag(cosines, tf.ones_like(norms) + RIDGE)
    return Unit(cosines, norms, inverse)


def scales(directions):
    """Return the smallest norm other than 0, divided by each norm, float64 [K].

    It is 0 for a gradient of 0, but 1 for all if all are 0.
    """
    largest = tf.reduce_max(directions.inverse)
    some = tf.div_no_nan(directions.inverse, largest)
    return tf.where(largest > 0.0, some, tf.ones_like(some))


def minimum(matrix, linear, total=None):
    """Minimise x' matrix x / 2 + linear' x over x >= 0, for B problems with the same matrix.

    The method is a primal-dual interior point method (Nocedal and Wright 2006, section 16.6). It
    ends when the mean of x * (gradient of x) is at most 1e-14, if all numbers are about 1.

    Args:
      matrix: float64 [K, K], positive definite.
      linear: float64 [B, K].
      total: float64 [K], not negative and not all 0: x is also constrained by total' x = 1.

    Returns:
      float64 [B, K], positive. A value that is 0 in the exact solution is about 1e-14.
    """
    ones = tf.ones_like(linear)
    constraint = tf.zeros_like(linear) if total is None else ones * total
    largest = tf.maximum(tf.reduce_sum(constraint, -1, keepdims=True), 1.0)
    multiplier = tf.zeros_like(largest)

    def residual(x, slack, multiplier):
        return tf.matmul(x, matrix) + linear - slack - multiplier * constraint

    def step(count, _, x, slack, multiplier):
        target = 0.1 * tf.reduce_mean(x * slack, -1, keepdims=True) / x
        system = matrix + tf.linalg.diag(slack / x)
        right = target - slack - residual(x, slack, multiplier)
        moves = tf.linalg.solve(system, tf.stack([right, constraint], -1))
        move, along = moves[..., 0], moves[..., 1]
        if total is not None:
            missing = 1.0 - tf.reduce_sum(constraint * (x + move), -1, keepdims=True)
            change = missing / tf.reduce_sum(constraint * along, -1, keepdims=True)
            move, multiplier = move + change * along, multiplier + change
        else:
            change = tf.zeros_like(multiplier)
        rise = target - slack * move / x - slack
        length = _length(tf.concat([x, slack], -1), tf.concat([move, rise], -1))
        multiplier -= (1.0 - length) * change
        x, slack = x + length * move, slack + length * rise
        wrong = tf.reduce_max(tf.abs(residual(x, slack, multiplier)))
        gap = tf.reduce_max(tf.reduce_mean(x * slack, -1))
        return count + 1, tf.maximum(gap, 1e-4 * wrong), x, slack, multiplier

    first = [tf.constant(0), tf.ones([], tf.float64), ones / largest, ones, multiplier]
    return tf.while_loop(_goes_on(1e-14), step, first)[2]


def fair(cosines, offsets, alpha):
    """Solve log x + alpha log(cosines x) = offsets for x > 0.

    The method is Newton's for x and y = cosines x, which both stay positive. It ends when the
    equation holds to 1e-12. An x or y that is 1e-15 of the largest may be too large: its equation
    cannot be evaluated in float64.

    Args:
      cosines: float64 [K, K], positive definite, with diagonal 1.
      offsets: float64 [K].
      alpha: float, 0.1 to 10.

    Returns:
      float64 [K].
    """
    # All start equal, at the largest solution that gradients without conflict would have.
    start = tf.exp(tf.reduce_max(offsets) / (1.0 + alpha)) * tf.ones_like(offsets)

    def residuals(x, y):
        tiny = (x < 1e-15 * tf.reduce_max(x)) | (y < 1e-15 * tf.reduce_max(y))
        logs = offsets - tf.log(x) - alpha * tf.log(y)
        return tf.linalg.matvec(cosines, x) - y, tf.where(tiny, tf.maximum(logs, 0.0), logs)

    def step(count, _, x, y):
        linear, logs = residuals(x, y)
        # Of a product that must fall by orders of magnitude, a step reduces only a part.
        logs = tf.maximum(logs, -0.5 * (1.0 + alpha))
        system = alpha * cosines + tf.linalg.diag(y / x)
        move = tf.linalg.solve(system, (y * logs - alpha * linear)[:, tf.newaxis])[:, 0]
        rise = tf.linalg.matvec(cosines, move) + linear
        length = _length(tf.concat([x, y], 0), tf.concat([move, rise], 0))
        x, y = x + length * move, y + length * rise
        linear, logs = residuals(x, y)
        linear = tf.reduce_max(tf.abs(linear)) / tf.reduce_max(x)
        return count + 1, tf.maximum(linear, tf.reduce_max(tf.abs(logs))), x, y

    first = [tf.constant(0), tf.ones([], tf.float64), start, start]
    return tf.while_loop(_goes_on(1e-12), step, first)[2]


def worst_product(units, products, scales, radius):
    """Maximise t over z in a ball around 0, so that units z + products >= t scales; return z.

    The method is a primal-dual interior point method. It ends when the products of slacks and
    multipliers are at most 1e-13 on average, if t is about 1.

    Args:
      units: float64 [K, K], whose rows are vectors of norm 1.
      products: float64 [K].
      scales: float64 [K], not negative and not all 0.
      radius: float, of the ball.

    Returns:
      float64 [K].
    """
    ratios = tf.where(scales > 0.0, products / tf.maximum(scales, 1e-300), tf.zeros_like(scales))
    scales *= tf.maximum(-tf.reduce_min(ratios), 1.0)  # now t is not below about -1
    start = tf.maximum(products + scales, 0.5), radius**2 / 2.0
    dual = 1.0 / _join(*start)

    def residuals(z, t, slack, dual):
        # The last slack and the last multiplier belong to the ball.
        planes = tf.linalg.matvec(units, z) + products - t * scales
        ball = (radius**2 - tf.reduce_sum(z * z)) / 2.0
        slope = tf.linalg.matvec(units, dual[:-1], transpose_a=True) - dual[-1] * z
        missing = 1.0 - tf.reduce_sum(scales * dual[:-1])
        return _join(planes, ball) - slack, _join(slope, missing)

    def step(count, _, z, t, slack, dual):
        wrong, slope = residuals(z, t, slack, dual)
        # The change of the slacks for a change of (z, t).
        change = tf.concat([units, -z[tf.newaxis]], 0)
        change = tf.concat([change, -_join(scales, 0.0)[:, tf.newaxis]], 1)
        push = (0.1 * tf.reduce_mean(slack * dual) - dual * (slack + wrong)) / slack
        right = tf.linalg.matvec(change, push, transpose_a=True) + slope
        system = tf.matmul(change, (dual / slack)[:, tf.newaxis] * change, transpose_a=True)
        curve = (dual[-1] + 1e-12) * tf.ones_like(z)
        # Without the small terms, the matrix is singular where the solution is not unique.
        diagonal = tf.linalg.diag_part(system) * (1.0 + 1e-14) + _join(curve, 0.0)
        system = tf.linalg.set_diag(system, diagonal)
        move = tf.linalg.solve(system, right[:, tf.newaxis])[:, 0]
        rise = tf.linalg.matvec(change, move)
        dual_move, slack_move = push - dual / slack * rise, rise + wrong
        length = _length(_join(slack, dual), _join(slack_move, dual_move))[0]
        z, t = z + length * move[:-1], t + length * move[-1]
        slack, dual = slack + length * slack_move, dual + length * dual_move
        errors = tf.reduce_max(tf.abs(_join(*residuals(z, t, slack, dual))))
        return count + 1, tf.maximum(tf.reduce_mean(slack * dual), 1e-4 * errors), z, t, slack, dual

    first = [tf.constant(0), tf.ones([], tf.float64), tf.zeros_like(products)]
    first += [-tf.ones([], tf.float64), _join(*start), dual / tf.reduce_sum(scales * dual[:-1])]
    return tf.while_loop(_goes_on(1e-13), step, first)[2]


def equal_products(directions):
    """Return v, float64 [K], so that sum of v_k u_k has product 1 with every unit gradient u_k.

    Where no vector has these products, the sum of squared errors is least. Gradients of 0 have
    v = 0, up to rounding.

    Args:
      directions: Unit.
    """
    values, vectors = tf.linalg.eigh(directions.cosines)
    inverse = tf.where(values > SMALLEST, 1.0 / values, tf.zeros_like(values))
    wanted = tf.cast(directions.norms > 0.0, tf.float64)
    return tf.linalg.matvec(vectors, inverse * tf.linalg.matvec(vectors, wanted, transpose_a=True))


def _goes_on(tolerance):
    """Return the condition of a loop: its first variable is a counter, its second an error."""
    return lambda count, error, *_: (count < LIMIT) & (error > tolerance)


def _join(values, last):
    """Append a number or a vector to a float64 vector."""
    return tf.concat([values, tf.reshape(tf.cast(last, tf.float64), [-1])], 0)


def _length(values, moves):
    """Return the length of a step, at most 1, that leaves 1/10 of every value."""
    fall = tf.reduce_max(-moves / values, -1, keepdims=True)
    return tf.minimum(0.9 / tf.maximum(fall, 1e-300), 1.0)
