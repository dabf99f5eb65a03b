"""The same seed gives the same bits, however a run logs, saves and prefetches."""

import pytest

from mtl import checkpoint
from mtl.data import batches
from tests import lives, record_sets
from tests.run_directories import assert_same_variables, metrics_of

pytestmark = pytest.mark.slow

COMMON = [
    "train",
    "--bottom=small",
    "--crop=22",  # with 54, a checkpoint has 65 MB
    "--dropout=0.4",
    "--batch_size=16",
    "--threads=2",
    "--seed=3",
    "--steps=3",
]
NUMBERS = ["7", "210", "48", "1234567", "90210", "3", "10"]


def prefetch_one():
    """Prefetch one batch instead of two."""
    prefetch = batches.prefetch
    batches.prefetch = lambda iterator, **options: prefetch(iterator, depth=1, **options)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the flags of a drawn dataset and of records; both use worker processes or threads."""
    directory = tmp_path_factory.mktemp("records")
    some = record_sets.some(NUMBERS)
    record_sets.write(directory, train=[some[:3], some[3:]], validation=[some[:4]])
    return {
        "synthetic": ["--dataset=synthetic", "--pool=24", "--reuse=3"],
        "records": ["--dataset=records", f"--data_dir={directory}", "--augment=0.7"],
    }


@pytest.mark.parametrize("dataset", ["synthetic", "records"])
def test_logging_saving_workers_and_prefetching_change_no_bit(tmp_path, data, dataset):
    ways = {
        "once": (["--workers=1", "--save_every=3"], None),
        "other": (["--workers=3", "--save_every=1", "--log_every=1"], prefetch_one),
    }
    newest, rows = {}, {}
    for name, (flags, prepare) in ways.items():
        command = [*COMMON, *data[dataset], *flags, f"--model_dir={tmp_path / name}"]
        life = lives.live(tmp_path / "log", command, prepare)
        assert life.code == 0, life.text
        newest[name] = checkpoint.newest(str(tmp_path / name))
        rows[name] = metrics_of(tmp_path / name)
    assert checkpoint.step_of(newest["other"]) == 3
    assert_same_variables(newest["other"], newest["once"])
    assert rows["once"] == rows["other"][-1:] and len(rows["other"]) == 3
