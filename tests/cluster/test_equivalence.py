"""N synchronous workers with parts of a batch train as one machine with the batch.

This is a part of every_objective.py, which has all objectives and settings and 100 steps.
"""

import pytest

from tests.cluster import closeness, local

pytestmark = pytest.mark.slow


def settings(name, **fields):
    """Return a Config and 12 batches, which cannot be divided into equal parts."""
    batches = [local.batch(step, count=11, absent=0.3) for step in range(12)]
    batches[2]["size"][:] = -1  # no label in the whole batch
    for whole in batches[3:6]:
        whole["shape"][:7] = -1  # none for some workers
    return local.config(objective=name, batch_size=11, **closeness.MOMENTUM, **fields), batches


@pytest.mark.parametrize(
    "name, fields",
    [
        ("log_sum", {"clip_norm": 0.5, "weight_decay": 0.3, "schedule": "cosine"}),
        ("famo", {"on_nonfinite": "skip"}),
    ],
)
def test_one_and_two_workers_train_as_one_machine(name, fields, cluster):
    config, batches = settings(name, **fields)
    expected = local.alone(config, batches)
    assert local.same(cluster.train(config, batches, workers=1), expected)
    closeness.assert_close(cluster.train(config, batches, workers=2), expected, name)


def test_three_workers_have_the_same_bits_in_each_run_whoever_is_slow(cluster):
    config, batches = settings("mgda")
    expected = local.alone(config, batches)
    assert local.same(cluster.train(config, batches, workers=1), expected)
    found = cluster.train(config, batches, workers=3)
    closeness.assert_close(found, expected, "mgda")
    slow = local.Slow()
    again = cluster.train(config, batches, workers=3, servers=1, before=slow(1, [2, 3]))
    assert slow.waits == 2
    assert local.same(again, found)
