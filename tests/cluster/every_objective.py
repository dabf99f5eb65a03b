"""Every objective for 100 steps, and every setting of an update: takes minutes.

    python -m pytest -rP tests/cluster/every_objective.py

pytest runs this file only if it is named. test_equivalence.py is a part of it.
"""

import numpy as np
import pytest

from mtl import catalogue
from tests.cluster import closeness, local, test_backup, test_placement
from tests.cluster.closeness import MOMENTUM, assert_close

NAMES = [name for name in catalogue.NAMES if name != "answer"]  # see test_replica.py
# gradnorm adds a number to its cost and subtracts it again. TensorFlow's optimiser of graphs
# chooses the order of the terms, so the reported cost may differ. No gradient does.
ROUNDED_COST = {"gradnorm"}


@pytest.mark.parametrize("name", NAMES)
def test_one_worker_has_the_bits_of_one_machine(name, alone, cluster):
    config, batches, expected = alone(objective=name)
    found = cluster.train(config, batches, workers=1)
    if name in ROUNDED_COST:
        assert_close(found, expected, name)
        found, expected = closeness.without_cost(found), closeness.without_cost(expected)
    assert local.same(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_two_workers_train_as_one_machine(name, alone, cluster):
    config, batches, expected = alone(objective=name, steps=100, **MOMENTUM)
    assert_close(cluster.train(config, batches, workers=2), expected, name)


@pytest.mark.parametrize("name", NAMES)
def test_three_workers_with_parts_of_other_sizes_train_as_one_machine(name, alone, cluster):
    config, batches, expected = alone(objective=name, steps=100, count=11, **MOMENTUM)
    assert_close(cluster.train(config, batches, workers=3), expected, name)


@pytest.mark.parametrize("name", ["log_sum", "uncertainty", "upgrad"])
def test_adam_differs_by_a_small_part_of_the_learning_rate(name, alone, cluster):
    config, batches, expected = alone(objective=name, steps=30)
    found = cluster.train(config, batches, workers=3)
    apart = 0.0
    for step, (history, other) in enumerate(zip(found, expected), start=1):
        for each, value in other[2].items():
            if "Adam" not in each and "power" not in each:
                difference = np.abs(history[2][each] - value).max()
                apart = max(apart, difference / config.learning_rate / step)
    print(f"{name}, weights with Adam: {apart:.2g} learning rates a step")
    assert apart <= 0.05
    worst = closeness.ulps(found[:1], expected[:1])
    means = [units for each, units in worst.items() if each.endswith("/Adam")]
    assert len(means) >= 8 and max(means) <= closeness.ULPS


@pytest.mark.parametrize(
    "fields",
    [
        {"clip_norm": 0.5},
        {"weight_decay": 0.3},
        {"clip_norm": 0.5, "weight_decay": 0.3, "schedule": "cosine", "warmup_steps": 5},
        {"on_nonfinite": "skip"},
        {"objective": "famo", "on_nonfinite": "skip"},
        {"objective": "dwa", "on_nonfinite": "skip"},
        {"label_smoothing": 0.0, "top_units": "5"},
    ],
)
def test_settings_of_the_update(fields, alone, cluster):
    config, batches, expected = alone(steps=30, **{**MOMENTUM, **fields})
    assert_close(cluster.train(config, batches, workers=3), expected, config.objective)
    assert local.same(cluster.train(config, batches, workers=1), expected)


@pytest.mark.parametrize("name", ["log_sum", "linear", "mgda", "geometric"])
def test_batches_with_all_labels(name, alone, cluster):
    config, batches, expected = alone(steps=30, absent=0.0, objective=name, **MOMENTUM)
    assert_close(cluster.train(config, batches, workers=3), expected, name)


@pytest.mark.parametrize("name", ["log_sum", "linear", "mgda", "famo", "stch"])
def test_tasks_without_a_label_in_some_parts_or_in_the_whole_batch(name, cluster):
    config = local.config(objective=name, **MOMENTUM)
    batches = [local.batch(step, absent=0.5) for step in range(30)]
    for step, whole in enumerate(batches):
        whole["shape"][:8] = -1  # two of three workers have none
        if step % 3 == 0:
            whole["size"][:] = -1
    expected = local.alone(config, batches)
    assert_close(cluster.train(config, batches, workers=3), expected, name)


def test_dropout_differs_between_workers_and_is_that_of_one_machine_on_the_chief(alone, cluster):
    config, batches, expected = alone(steps=10, dropout=0.4)
    assert local.same(cluster.train(config, batches, workers=1), expected)
    doubled = [
        {name: np.concatenate([part] * 2) for name, part in each.items()} for each in batches
    ]
    found = cluster.train(config, doubled, workers=2)
    # With equal parts and equal masks, the mean losses would be those of one part.
    assert np.abs(found[0][1][:3] - expected[0][1][:3]).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_have_the_same_bits_whoever_is_slow(name, cluster, alone):
    config, batches, _ = alone(objective=name, dropout=0.3, steps=10)
    slow = local.Slow()
    first = cluster.train(config, batches, workers=3, before=slow(1, [2, 5]))
    second = cluster.train(config, batches, workers=3, before=slow(0, [3]))
    third = cluster.train(config, batches, workers=3, servers=1, before=slow(2, [0, 1, 8]))
    assert slow.waits == 6
    assert local.same(first, second)
    assert local.same(first, third)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_with_backup_workers_is_that_of_the_parts_that_take_part(name, cluster):
    test_backup.assert_steps_of_parts(name, 3, cluster)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("db_mtl", "excess")])
def test_divided_weights_train_and_are_saved_as_whole_ones(name, cluster, tmp_path):
    test_placement.assert_divided(name, cluster, tmp_path)
