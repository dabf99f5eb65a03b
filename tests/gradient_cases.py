"""Jacobians for the tests of the objectives of gradients, and a session that solves for weights."""

import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

COUNTS = (2, 3, 5, 8)  # tasks
KINDS = ("plain", "conflicting", "nearly parallel", "one zero", "scales")
# The gradients can cancel, or depend on each other linearly.
DEGENERATE = ("all zero", "equal", "opposite", "stationary", "one direction")


def jacobian(kind, tasks, numbers=23, seed=0):
    """Return gradients, float64 [tasks, numbers], that are exact in float32.

    Args:
      kind: str, one of KINDS or DEGENERATE.
      tasks: int.
    """
    rng = np.random.default_rng([seed, tasks, len(kind)])
    rows = rng.normal(size=(tasks, numbers))
    if kind == "conflicting":
        rows -= 1.1 * rows.mean(axis=0)
    elif kind == "nearly parallel":
        rows = rows[0] + 1e-3 * rows
    elif kind == "one zero":
        rows[tasks // 2] = 0.0
    elif kind == "scales":
        # Orders of magnitude from the largest to the smallest, and directions that conflict.
        rows = (rows - 0.5 * rows.mean(axis=0)) * np.logspace(4, -4, tasks)[:, np.newaxis]
    elif kind == "all zero":
        rows *= 0.0
    elif kind == "equal":
        rows[-1] = rows[0]
    elif kind == "opposite":
        rows[-1] = -2.0 * rows[0]
    elif kind == "stationary":
        rows[-1] = -np.float32(rows[:-1]).sum(axis=0)
    elif kind == "one direction":
        rows = rows[:1] * rng.normal(size=(tasks, 1))
    return np.float64(np.float32(rows))


@contextlib.contextmanager
def solver(build, *dtypes):
    """Open a session; yield a function (rows, *others) -> the weights that `build` computes.

    Args:
      build: function (gram, *others) -> float64 tensor [K], or several tensors.
      dtypes: of the other arguments, matrices.
    """
    settings = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf.Graph().as_default(), tf.Session(config=settings) as session:
        inputs = [tf.placeholder(dtype, [None, None]) for dtype in (tf.float64, *dtypes)]
        found = session.make_callable(build(*inputs), inputs)
        yield lambda rows, *others: found(rows @ rows.T, *others)


def units(rows):
    """Return the rows that are not 0, divided by their norms."""
    norms = np.linalg.norm(rows, axis=1)
    return rows[norms > 0.0] / norms[norms > 0.0, np.newaxis]


def subsets(count):
    """Yield every subset of range(count) but the empty one, as a list."""
    for bits in range(1, 2**count):
        yield [each for each in range(count) if bits >> each & 1]
