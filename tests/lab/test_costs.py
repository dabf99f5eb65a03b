"""The cost of a step, relative to that of the reference."""

import pytest

from mtl.lab import costs, variants
from mtl.lab.statistics import mean_of
from tests.lab import made


def variant(objective, seconds, memory, steps_at_floor=None):
    """Return a variant of two seeds (or the single-task networks of one seed)."""
    values = {"objective": [objective], "seed": [0, 1] if objective != "single" else [0]}
    results = []
    for run, each in zip(made.runs(values), seconds):
        best = made.evaluation(4, 0.5, 0.5, 1.0, steps_at_floor=steps_at_floor)
        ended = made.DONE._replace(memory=memory)
        results.append(made.result(run, best, seconds=each, ended=ended))
    return variants.of_results(results)[0]


def test_ratios_are_relative_to_the_reference():
    linear = variant("linear", [0.01, 0.03], 500.0)
    found = costs.cost(variant("log_sum", [0.03, 0.05], 600.0, steps_at_floor=1), linear)
    assert found.seconds == mean_of([0.03, 0.05])
    assert found.ratio == pytest.approx(2.0)
    assert (found.memory, found.memory_ratio) == (600.0, pytest.approx(1.2))
    assert found.floor == mean_of([0.25, 0.25])


def test_single_task_networks_add_up():
    linear = variant("linear", [0.01, 0.01], 500.0)
    found = costs.cost(variant("single", [0.01, 0.02], 400.0), linear)
    assert found.seconds.mean == pytest.approx(0.03) and found.ratio == pytest.approx(3.0)
    assert costs.cost(variant("single", [0.01, None], 400.0), linear).seconds is None


def test_what_was_not_measured_is_none():
    linear = variant("linear", [None, None], None)
    assert costs.cost(linear, linear) == (None, None, None, None, None)
