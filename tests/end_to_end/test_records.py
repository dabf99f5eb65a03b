"""Training on records by the command line: where it stops it goes on, and what it reads is what svhn reads."""

import io
import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl import checkpoint
from mtl.data.records import format as records
from mtl.data.svhn import reader
from tests import record_sets
from tests.data.svhn import test_reader as test_svhn

ENTRIES = [
    (f"{i}.png", [(1 + (i + k) % 10, 5 * k, 1, 6, 9) for k in range(i % 4)]) for i in range(1, 31)
]
FLAGS = [
    "--bottom=mlp",
    "--batch_size=7",
    "--schedule=constant",
    "--threads=1",
    "--dataset=records",
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Return a directory with test as SVHN lays it out and, of the same pictures, records: train in three shards, validation, test."""
    directory = tmp_path_factory.mktemp("data")
    test_svhn.make(directory / "test", ENTRIES)
    made = []
    for entry in reader.entries(str(directory / "test" / "digitStruct.mat")):
        encoded = (directory / "test" / entry.name).read_bytes()
        width, height = Image.open(io.BytesIO(encoded)).size
        made.append(records.Record(entry.name, encoded, height, width, entry.number, entry.boxes))
    record_sets.write(
        directory, train=[made[:11], made[11:14], made[14:]], validation=[made[:9]], test=[made]
    )
    return directory


def weights(model_dir):
    """Return the values of the newest checkpoint, by variable."""
    reader = tf.train.load_checkpoint(checkpoint.newest(str(model_dir)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize("augment", [0.0, 0.5])
def test_a_run_that_was_stopped_ends_where_it_would_have_ended(
    command, data_dir, tmp_path, augment
):
    flags = [*FLAGS, f"--data_dir={data_dir}", f"--augment={augment}"]
    for name, steps in (("whole", [13]), ("stopped", [5, 8, 13])):
        for last in steps:
            code, out, err = command(
                "train", f"--model_dir={tmp_path / name}", *flags, f"--steps={last}"
            )
            assert code == 0 and f"step {last}, best validation sequence accuracy" in out, err
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert whole["global_step"] == 13 and len(whole) > 14
    for name, value in whole.items():
        np.testing.assert_array_equal(stopped[name], value, err_msg=name)


def test_evaluate_reads_in_records_what_it_reads_in_svhn(command, data_dir, tmp_path):
    assert (
        command(
            "train",
            f"--model_dir={tmp_path / 'run'}",
            *FLAGS,
            f"--data_dir={data_dir}",
            "--steps=3",
        )[0]
        == 0
    )
    found = {}
    for dataset in ("records", "svhn"):
        flags = [f"--dataset={dataset}", f"--data_dir={data_dir}", "--json"]
        code, out, err = command("evaluate", f"--model_dir={tmp_path / 'run'}", *flags)
        assert code == 0, err
        found[dataset] = json.loads(out)
    assert found["records"].pop("dataset") == "records" and found["svhn"].pop("dataset") == "svhn"
    assert found["records"] == found["svhn"]


def test_a_broken_record_ends_the_run_on_one_line(refused, data_dir, tmp_path):
    good = record_sets.some(["5", "67", "8"])
    record_sets.write(
        tmp_path, train=[good, [good[0], good[1]._replace(height=11)]], validation=[good]
    )
    line = refused(
        2, "train", f"--model_dir={tmp_path / 'run'}", *FLAGS, f"--data_dir={tmp_path}", "--steps=9"
    )
    assert (
        "train-00001-of-00002.tfrecord: record 1: the image is" in line
        and "repeat mtl convert" in line
    )
