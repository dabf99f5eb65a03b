"""Fair gains of the tasks: alpha leads from the sum to the worst task.

    d = sum over tasks k of w_k g_k,  w > 0 with (G w)_k = w_k^(-1 / alpha),  G = J J'

Source: Ban and Ji 2024, arXiv:2402.15638, equation 4.

State: none.

Identity: alpha 1 is nash_mtl. Without conflict, alpha -> 0 is linear: w_k = 1. norm(d)^2 = sum
over tasks of w_k^(1 - 1 / alpha). Multiplying all gradients by c multiplies d by
c^((1 - alpha) / (1 + alpha)).

The equation holds to 1e-12, see common/solvers.py. With alpha below 0.1 and gradients in conflict,
the products (G w)_k would be too small for float64. A task whose gradient is 0 has weight 0.
Gradients that cancel: as in nash_mtl. TorchJD 0.18 uses the least squares of SciPy, which stop far
from the solution if the norms are as different as 1e-4 and 1e4.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, present, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Ban and Ji 2024, arXiv:2402.15638"
OPTIONS = {"alpha": (1.0, 0.1, 10.0)}


def weights(gram, alpha):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
      alpha: float, 0.1 to 10.
    """
    directions = solvers.unit(gram)
    # With x_k = w_k norm(g_k), the equation is log x + alpha log(cosines x) = offsets.
    largest = tf.reduce_max(directions.norms)
    norms = tf.where(directions.norms > 0.0, directions.norms, tf.ones_like(gram[0]) * largest)
    offsets = (1.0 - alpha) * tf.log(tf.maximum(norms, 1e-300))
    return solvers.fair(directions.cosines, offsets, alpha) * directions.inverse


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    solve = functools.partial(weights, alpha=problem.settings.options["alpha"])
    return found.update(present.weights(problem, found.gram, solve))
