"""Fair gains of the tasks: alpha leads from the mean to the worst task.

    d = sum over tasks k of w_k g_k,  w > 0 with (G w)_k = w_k^(-1 / alpha),  G = J J'

Source: Ban and Ji 2024, arXiv:2402.15638, equation 4.

State: none.

Identity: alpha 1 is nash_mtl; alpha 0 is the mean of the gradients. norm(d)^2 = sum over tasks of
w_k^(1 - 1 / alpha). Multiplying all gradients by c multiplies d by c^((1 - alpha) / (1 + alpha)).

An alpha between 0 and 0.1 is used as 0.1. The equation holds to 1e-12, see common/solvers.py. A
task whose gradient is 0 takes no part: its weight is 0, or 1 / K with alpha 0. Gradients that
cancel: as in nash_mtl. TorchJD 0.18 uses the least squares of SciPy, which stop far from the
solution if the norms are as different as 1e-4 and 1e4.
"""

import tensorflow.compat.v1 as tf

from mtl.objectives.common import jacobian, solvers

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Ban and Ji 2024, arXiv:2402.15638"
OPTIONS = {"alpha": (1.0, 0.0, 10.0)}


def weights(gram, alpha):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
      alpha: float, 0 to 10.
    """
    if alpha == 0.0:
        ones = tf.ones_like(gram[0])
        return ones / tf.reduce_sum(ones)
    alpha = max(alpha, 0.1)
    directions = solvers.unit(gram)
    # With x_k = w_k norm(g_k), the equation is log x + alpha log(cosines x) = offsets.
    largest = tf.reduce_max(directions.norms)
    norms = tf.where(directions.norms > 0.0, directions.norms, tf.ones_like(gram[0]) * largest)
    offsets = (1.0 - alpha) * tf.log(tf.maximum(norms, 1e-300))
    return solvers.fair(directions.cosines, offsets, alpha) * directions.inverse


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(weights(found.gram, problem.settings.options["alpha"]))
