"""The same seed gives the same bits, however a run is watched, saved, fed and spread over processes."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.data import batches
from tests import lives, record_sets

COMMON = [
    "train",
    "--bottom=small",
    "--dropout=0.4",
    "--batch_size=16",
    "--threads=2",
    "--seed=3",
    "--steps=3",
]
NUMBERS = ["7", "210", "48", "1234567", "90210", "3", "10"]


def shallow():
    """Fetch one batch ahead instead of two."""
    prefetch = batches.prefetch
    batches.prefetch = lambda iterator, **options: prefetch(iterator, depth=1, **options)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the flags of a data set that is drawn and of one that is read as the run goes, both by processes of their own."""
    where = tmp_path_factory.mktemp("records")
    some = record_sets.some(NUMBERS)
    record_sets.write(where, train=[some[:3], some[3:]], validation=[some[:4]])
    return {
        "synthetic": ["--dataset=synthetic", "--pool=24", "--reuse=3"],
        "records": ["--dataset=records", f"--data_dir={where}", "--augment=0.7"],
    }


@pytest.mark.parametrize("dataset", ["synthetic", "records"])
def test_how_it_is_watched_fed_and_saved_changes_no_bit(tmp_path, data, dataset):
    ways = {
        "once": (["--workers=1", "--save_every=3"], None),
        "again": (["--workers=1", "--save_every=3"], None),
        "other": (["--workers=3", "--save_every=1", "--log_every=1", "--verbosity=1"], shallow),
    }
    weights, rows = {}, {}
    for name, (flags, prepare) in ways.items():
        life = lives.live(
            tmp_path / "log",
            [*COMMON, *data[dataset], *flags, f"--model_dir={tmp_path / name}"],
            prepare,
        )
        assert life.code == 0, life.text
        reader = tf.train.load_checkpoint(checkpoint.newest(str(tmp_path / name)))
        weights[name] = {
            name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
        }
        rows[name] = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
    assert len(weights["once"]) > 40 and weights["once"]["global_step"] == 3
    for name in ("again", "other"):
        assert sorted(weights[name]) == sorted(weights["once"])
        for variable, value in weights["once"].items():
            np.testing.assert_array_equal(
                weights[name][variable], value, err_msg=f"{name} {variable}"
            )
    assert rows["once"] == rows["again"] == rows["other"][-1:] and len(rows["other"]) == 3
