"""Training on records by the command line: it resumes exactly, and evaluates as SVHN itself."""

import io
import json

import pytest
from PIL import Image

from mtl import checkpoint
from mtl.data.records import format as record_format
from mtl.data.svhn import digit_struct
from tests import record_sets
from tests.data.svhn import test_reader as svhn_reader
from tests.run_directories import assert_same_variables

pytestmark = pytest.mark.slow

ENTRIES = [
    (f"{i}.png", [(1 + (i + k) % 10, 5 * k, 1, 6, 9) for k in range(i % 4)]) for i in range(1, 31)
]
FLAGS = [
    "--bottom=mlp",
    "--crop=14",  # with 54, a checkpoint has 27 MB
    "--batch_size=7",
    "--schedule=constant",
    "--threads=1",
    "--dataset=records",
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with SVHN's layout of test, and records of the same images in three splits."""
    directory = tmp_path_factory.mktemp("data")
    svhn_reader.make(directory / "test", ENTRIES)
    made = []
    for entry in digit_struct.entries(str(directory / "test" / "digitStruct.mat")):
        encoded = (directory / "test" / entry.name).read_bytes()
        width, height = Image.open(io.BytesIO(encoded)).size
        made.append(
            record_format.Record(entry.name, encoded, height, width, entry.number, entry.boxes)
        )
    train = [made[:11], made[11:14], made[14:]]
    record_sets.write(directory, train=train, validation=[made[:9]], test=[made])
    return directory


def test_a_stopped_run_ends_with_the_same_bits(command, data_dir, tmp_path):
    # test_kill.py has the same with --augment.
    flags = [*FLAGS, f"--data_dir={data_dir}"]
    for name, steps in (("whole", [13]), ("stopped", [5, 8, 13])):
        for last in steps:
            run = f"--model_dir={tmp_path / name}"
            code, out, err = command("train", run, *flags, f"--steps={last}")
            assert code == 0 and f"step {last}, best validation sequence accuracy" in out, err
    newest = [checkpoint.newest(str(tmp_path / name)) for name in ("whole", "stopped")]
    assert checkpoint.step_of(newest[0]) == 13
    assert_same_variables(*newest)


def test_records_and_svhn_evaluate_alike(command, data_dir, tmp_path):
    run, data = f"--model_dir={tmp_path / 'run'}", f"--data_dir={data_dir}"
    assert command("train", run, *FLAGS, data, "--steps=3")[0] == 0
    found = {}
    for dataset in ("records", "svhn"):
        code, out, err = command("evaluate", run, f"--dataset={dataset}", data, "--json")
        assert code == 0, err
        found[dataset] = json.loads(out)
        assert found[dataset].pop("dataset") == dataset
    assert found["records"] == found["svhn"]


def test_a_broken_record_ends_the_run_in_one_line(refused, data_dir, tmp_path):
    good = record_sets.some(["5", "67", "8"])
    broken = good[1]._replace(height=11)
    record_sets.write(tmp_path, train=[good, [good[0], broken]], validation=[good])
    run, data = f"--model_dir={tmp_path / 'run'}", f"--data_dir={tmp_path}"
    line = refused(2, "train", run, *FLAGS, data, "--steps=9")
    assert "train-00001-of-00002.tfrecord: record 1: the image is" in line
    assert "repeat mtl convert" in line
