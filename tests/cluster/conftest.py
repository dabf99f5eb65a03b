"""The clusters that the tests of this folder share."""

import pytest

from tests import lives
from tests.cluster import local, processes
from tests.run_directories import metrics_of


@pytest.fixture(scope="session")
def cluster():
    """Two parameter servers and three workers inside this process."""
    return local.Cluster()


@pytest.fixture(scope="session")
def alone():
    """A function (**fields) -> (config, batches, history) of one machine; the last are kept."""
    kept = {}

    def train(steps=10, absent=0.3, count=12, **fields):
        key = (steps, absent, count, *sorted(fields.items()))
        if key not in kept:
            config = local.config(batch_size=count, **fields)
            batches = [local.batch(step, count, absent) for step in range(steps)]
            kept[key] = config, batches, local.alone(config, batches)
            if len(kept) > 8:  # 100 steps take 30 MB
                del kept[next(iter(kept))]
        return kept[key]

    return train


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The folder of the data of processes.write_data."""
    folder = tmp_path_factory.mktemp("data")
    processes.write_data(folder)
    return folder


@pytest.fixture
def members(data, tmp_path):
    """A function (*flags, **options of Processes) -> Processes, which are killed at the end."""
    made = []

    def make(*flags, **options):
        made.append(processes.Processes(tmp_path, f"--data_dir={data}", *flags, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory):
    """The metrics of a run of processes.STEPS steps on one machine."""
    folder = tmp_path_factory.mktemp("whole")
    flags = [*processes.TASKS, *processes.SMALL, f"--data_dir={data}", processes.STEPS]
    life = lives.live(folder / "log", ["train", *flags, f"--model_dir={folder / 'run'}"])
    assert life.code == 0, life.text
    return metrics_of(folder / "run")
