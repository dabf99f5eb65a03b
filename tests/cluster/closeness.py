"""How close the histories of two trainings are; see local.alone.

Sums over a batch that is divided are added up in another order, so the last digits differ. The
limit is 4 units in the last place a step.

Two methods amplify these differences, and have wider limits here:

- Adam divides a gradient by its own size. Where a gradient is nearly 0, because the gradients of
  the examples cancel, its rounding error decides the direction of a step. So tests of the other
  methods use momentum.
- famo learns from the change of the logarithm of a loss in one step. The change is about a
  thousandth of the logarithm, and has three digits less.
"""

import numpy as np

MOMENTUM = {"optimizer": "momentum", "learning_rate": 3e-3}
ULPS = 4.0
FAMO_ULPS = {"objective/mean": 100.0, "objective/variance": 400.0, "objective/logits": 100.0}


def assert_close(found, expected, objective):
    """Assert that two histories of an objective differ by few units; report the largest."""
    worst = ulps(found, expected)
    limits = FAMO_ULPS if objective == "famo" else {}
    shares = {name: units / limits.get(name, ULPS) for name, units in worst.items()}
    name = max(shares, key=shares.get)
    print(f"{objective}: largest difference {worst[name]:.2g} units a step, {name}")
    assert all(share <= 1.0 for share in shares.values()), worst


def ulps(found, expected):
    """Return the largest difference of two histories a step, in units in the last place.

    The unit of a variable is that of its largest value in the history: a value near 0 is the
    difference of larger ones, so it has fewer correct digits of its own.

    Returns:
      dict name of a variable, or "cost" -> float: of all steps, the largest difference after step
      n, divided by n.
    """
    worst = {}
    for name in ["cost", *expected[0][2]]:
        pairs = []
        for history in zip(found, expected):
            pairs.append([each[0] if name == "cost" else each[2][name] for each in history])
        largest = max(np.abs(value).max() for _, value in pairs)
        unit = np.spacing(np.float32(largest))
        errors = [np.abs(np.float64(a) - b).max() / unit for a, b in pairs]
        worst[name] = max(error / step for step, error in enumerate(errors, start=1))
    return worst


def without_cost(history):
    """Return a history with costs of 0."""
    return [(0.0, watched, values) for _, watched, values in history]
