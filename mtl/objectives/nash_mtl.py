"""The bargain of Nash: the product of the gains of all tasks is largest.

    d = sum over tasks k of w_k g_k,  w > 0 with (G w)_k = 1 / w_k,  G = J J'

Source: Navon et al. 2022, arXiv:2202.01017, claim 3.1.

State: none. The equation has one solution, found anew in each step to 1e-12; the paper's code
iterates from the previous weights, with up to 20 convex programs.

Identity: w' G w = K, so norm(d) = sqrt(K). Multiplying a gradient by a number changes no direction
and no length of d.

A task whose gradient is 0 takes no part and has weight 0. The paper's code and TorchJD limit
norm(d) to 1 by default; use --clip_norm. Gradients that cancel have no bargain: the weights of
opposite gradients grow to at most 1e6 sqrt(K) / norm(g_k), and d is short. For nearly parallel
gradients, and for some that conflict, TorchJD 0.18 returns its start, weights of 1.
"""

from mtl.objectives import fairgrad
from mtl.objectives.common import jacobian, present

NEUTRAL = 0.0
NEEDS = "gradients"
STATE = "none"
PASSES = "1 forward, K backward"
SOURCE = "Navon et al. 2022, arXiv:2202.01017"


def weights(gram):
    """Return the weights of the tasks, float64 [K].

    Args:
      gram: float64 [K, K], the inner products of the gradients.
    """
    return fairgrad.weights(gram, 1.0)


def build(problem):
    """Build the gradients; see mtl.objectives for the arguments."""
    found = jacobian.build(problem)
    return found.update(present.weights(problem, found.gram, weights))
