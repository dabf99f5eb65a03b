"""The cluster that the tests of this folder share."""

import pytest

from tests.cluster import local


@pytest.fixture(scope="session")
def cluster():
    """Two parameter servers and three workers inside this process."""
    return local.Cluster()


@pytest.fixture(scope="session")
def alone():
    """A function (**fields) -> (config, batches, history) of one machine, kept for other tests."""
    kept = {}

    def train(steps=10, absent=0.3, **fields):
        key = (steps, absent, *sorted(fields.items()))
        if key not in kept:
            config = local.config(**fields)
            batches = [local.batch(step, absent=absent) for step in range(steps)]
            kept[key] = config, batches, local.alone(config, batches)
        return kept[key]

    return train
