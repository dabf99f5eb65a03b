"""N synchronous workers with parts of a batch train as one machine with the batch.

This is a part of every_objective.py, which has all objectives and settings and 100 steps.
"""

import pytest

from tests.cluster import closeness, local

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "name, fields",
    [
        ("log_sum", {"clip_norm": 0.5, "weight_decay": 0.3, "schedule": "cosine"}),
        ("famo", {"on_nonfinite": "skip"}),
        ("mgda", {"label_smoothing": 0.1}),
    ],
)
def test_workers_train_as_one_machine(name, fields, alone, cluster):
    config, batches, expected = alone(
        objective=name, steps=12, count=11, **closeness.MOMENTUM, **fields
    )
    assert local.same(cluster.train(config, batches, workers=1), expected)
    closeness.assert_close(cluster.train(config, batches, workers=3), expected, name)


def test_tasks_without_a_label_in_some_parts_or_in_the_whole_batch(cluster):
    config = local.config(objective="linear", **closeness.MOMENTUM)
    batches = [local.batch(step, absent=0.5) for step in range(8)]
    for step, whole in enumerate(batches):
        whole["shape"][:8] = -1  # two of three workers have none
        if step % 3 == 0:
            whole["size"][:] = -1
    expected = local.alone(config, batches)
    closeness.assert_close(cluster.train(config, batches, workers=3), expected, "linear")


def test_two_runs_with_dropout_have_the_same_bits_whoever_is_slow(cluster, alone):
    config, batches, _ = alone(objective="upgrad", dropout=0.3, steps=5)
    slow = local.Slow()
    first = cluster.train(config, batches, workers=3, before=slow(1, [2, 4]))
    second = cluster.train(config, batches, workers=3, servers=1, before=slow(0, [3]))
    assert slow.waits == 3
    assert local.same(first, second)
