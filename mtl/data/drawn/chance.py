"""A fast choice between a few options.

It draws the same numbers as np.random.Generator.choice, which validates its arguments in each call
and takes ten times as long.
"""

import bisect
from collections.abc import Sequence

import numpy as np


def cumulative(shares: Sequence[float]) -> list[float]:
    """Return the cumulative shares of the options; the last is 1."""
    sums = np.cumsum(shares)
    return (sums / sums[-1]).tolist()


def choose(rng: np.random.Generator, sums: list[float]) -> int:
    """Return the index of a random option, as rng.choice(len(shares), p=shares) does.

    Args:
      sums: see `cumulative`.
    """
    return bisect.bisect_right(sums, rng.random())
