"""Objectives: how the losses of the tasks become one update. One file each, found by its name.

The file NAME.py is the objective `--objective=NAME`. It has:

    build(logits, labels, means) -> Update   the cost, or gradients, in the current graph
    value(means) -> float                    the same formula in NumPy, for mean losses of a dataset
    NEUTRAL                                  the mean loss that adds 0 to the cost

logits and labels are dicts task name -> float32 [batch, outputs]. The labels of a softmax are
probabilities, all zeros where not labelled; those of a real task are standardised, NaN where not
labelled. means is a dict task name -> mean loss over the labelled examples: float32 scalar tensors
in build, floats in value.

`--objective=module:function` is a function of your own: build(logits, labels, means) -> the cost,
a float32 scalar tensor, or an Update. It has no value(), so its evaluations show no cost.
"""

import functools
import importlib
from typing import Any, Callable, Dict, NamedTuple, Optional

from mtl import config, fields
from mtl.errors import UsageError


class Update(NamedTuple):
    """The cost or the gradients that the optimiser uses."""

    cost: Any  # float32 scalar tensor
    # Task name -> float32 scalar tensor. The cost is their sum. If it is not a sum, they are the
    # mean losses.
    terms: Dict[str, Any]
    # (gradient, variable) pairs; None means the gradients of the cost.
    gradients: Optional[list] = None


class Own(NamedTuple):
    """An objective of the user, with the names that the module of an objective has."""

    build: Callable
    value: Optional[Callable] = None  # None: the cost of an evaluation is unknown
    NEUTRAL: float = 0.0


def find(name):
    """Return the module of an objective, or the Own of module:function.

    Raises:
      ValueError: the name is not in config.OBJECTIVES.
      UsageError: there is no such function.
    """
    config.check("objective", name)
    if name in config.OBJECTIVES:
        return importlib.import_module(f"{__name__}.{name}")
    return Own(functools.partial(_build_own, name))


def _build_own(name, logits, labels, means):
    """Build the cost of module:function; return an Update."""
    import tensorflow.compat.v1 as tf  # not above: reports find objectives without TensorFlow

    built = fields.call_own("objective", name, logits, labels, means)
    update = built if isinstance(built, Update) else Update(built, dict(means))
    cost = update.cost
    if not tf.is_tensor(cost) or cost.dtype != tf.float32 or cost.shape.rank != 0:
        what = " ".join(f"returned {built!r}".split())[:200]
        raise UsageError(f"--objective={name} {what}; return the cost, a float32 scalar tensor")
    return update
