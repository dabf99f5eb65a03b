"""Objectives: how the losses of the tasks become one update. One file each, found by its name.

The file NAME.py is the objective `--objective=NAME`. It has:

    build(logits, labels, means) -> Update   the cost, or gradients, in the current graph
    value(means) -> float                    the same formula in NumPy, for mean losses of a dataset
    NEUTRAL                                  the mean loss that adds 0 to the cost

logits and labels are dicts task name -> float32 [batch, classes]; labels are probabilities.
means is a dict task name -> mean loss: float32 scalar tensors in build, floats in value.
"""

import importlib
from typing import Any, Dict, NamedTuple, Optional

from mtl import config


class Update(NamedTuple):
    """The cost or the gradients that the optimiser uses."""

    cost: Any  # float32 scalar tensor
    terms: Dict[str, Any]  # task name -> float32 scalar tensor; the cost is their sum
    # (gradient, variable) pairs; None means the gradients of the cost.
    gradients: Optional[list] = None


def find(name):
    """Return the module of an objective; raise ValueError if it is not in config.OBJECTIVES."""
    config.check("objective", name)
    return importlib.import_module(f"{__name__}.{name}")
