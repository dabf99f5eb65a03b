"""The strongest promise: SIGKILL whenever it comes, the same command again, and the end is, bit for bit, that of a run never stopped.

Each process here is one of its own, ended by the kernel; nothing of it is left but its files.
"""

import json
import re
import shutil
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import checkpoint
from mtl.data import npz
from tests import event_files, lives, record_sets, svhn_files

STEPS = 5
NUMBERS = ["7", "210", "48", "1234567", "90210", "3", "10", "555"]
COMMON = [
    "train",
    "--bottom=mlp",
    "--dropout=0.4",
    "--batch_size=5",
    "--learning_rate=0.01",
    "--seed=3",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory, examples):
    """Return the flags of each kind of data set, by name."""
    synthetic = ["--dataset=synthetic", "--pool=8", "--reuse=2", "--workers=1"]
    where = tmp_path_factory.mktemp("data")
    for split in ("train", "validation"):
        svhn_files.draw(
            where / "svhn" / split,
            [(f"{i}.png", svhn_files.boxes(number[:5])) for i, number in enumerate(NUMBERS, 1)],
        )
    (where / "records").mkdir()
    some = record_sets.some(NUMBERS)
    record_sets.write(where / "records", train=[some[:3], some[3:]], validation=[some[:4]])
    (where / "npz").mkdir()
    for split in ("train", "validation"):
        npz.save(str(where / "npz" / f"{split}.npz"), examples)
    return {
        "synthetic": synthetic,
        **{
            name: [f"--dataset={name}", f"--data_dir={where / name}", "--augment=0.5"]
            for name in ("svhn", "records", "npz")
        },
    }


def everything(path):
    """All variables of a checkpoint, Adam's slots among them."""
    reader = tf.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_run(directory, reference):
    """The same variables, bit for bit, in the last checkpoint and in the best; the same metrics; the same files."""
    for part in ("", "best"):
        one, two = (checkpoint.newest(str(where / part)) for where in (directory, reference))
        assert checkpoint.step_of(one) == checkpoint.step_of(two)
        one, two = everything(one), everything(two)
        assert sorted(one) == sorted(two) and len(one) >= 15
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=f"{part} {name}")
    assert (directory / "metrics.jsonl").read_text() == (reference / "metrics.jsonl").read_text()
    names = [
        sorted(path.relative_to(where).as_posix() for path in where.rglob("*"))
        for where in (directory, reference)
    ]
    assert names[0] == names[1]


def continued_from(text):
    """Return the step that a process says it continues from; None where it says nothing of the kind."""
    found = re.search(r"continuing from step (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None


@pytest.mark.parametrize("dataset", ["synthetic", "svhn", "records"])
def test_killed_after_every_step_it_ends_as_if_nothing_had_been(tmp_path, data, dataset):
    flags = [*COMMON, *data[dataset], f"--steps={STEPS}", "--save_every=1"]
    whole = lives.live(tmp_path / "whole.log", [*flags, f"--model_dir={tmp_path / 'whole'}"])
    assert whole.code == 0 and continued_from(whole.text) is None, whole.text
    for done in range(STEPS):
        life = lives.live(
            tmp_path / "log", [*flags, f"--model_dir={tmp_path / 'run'}"], lives.die_after_steps, 1
        )
        if done < STEPS - 1:
            assert life.code == -9, life.text
        assert continued_from(life.text) == (done or None), (
            "it did resume, where the one before was killed"
        )
    assert (
        life.code == 0
        and len(json.loads((tmp_path / "run" / "config.json").read_text())["tasks"]) == 6
    )
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_killed_it_leaves_the_event_files_of_a_run_that_was_not(tmp_path, data):
    flags = [*COMMON, *data["npz"], "--steps=8", "--save_every=4", "--log_every=2", "--tensorboard"]
    assert lives.live(tmp_path / "log", [*flags, f"--model_dir={tmp_path / 'whole'}"]).code == 0
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    assert lives.live(tmp_path / "log", command, lives.die_after_steps, 7).code == -9
    assert (6, "cost") in event_files.scalars(tmp_path / "run")  # beyond the checkpoint of step 4
    assert lives.live(tmp_path / "log", command).code == 0
    kept, whole = (
        {
            key: value
            for key, value in event_files.scalars(tmp_path / name).items()
            if key[1] != "examples_per_sec"
        }
        for name in ("run", "whole")
    )
    assert kept == whole and {step for step, _ in whole} == {2, 4, 6, 8}


@pytest.fixture(scope="module")
def longer(tmp_path_factory, data):
    """Return the flags of a run of 12 steps, each third of them evaluated and saved, and its directory after one life."""
    flags = [*COMMON, *data["npz"], "--steps=12", "--save_every=3"]
    directory = tmp_path_factory.mktemp("longer")
    life = lives.live(directory / "log", [*flags, f"--model_dir={directory / 'run'}"])
    assert life.code == 0, life.text
    return flags, directory / "run"


@pytest.mark.parametrize(
    "moment, at",
    [
        (("mtl.evaluation.evaluate", "read", 2), 6),
        (("mtl.evaluation.evaluate", "measure", 3), 9),
        (("mtl.checkpoint", "write_records", 3), 6),  # its first call is that of the start
        (("os", "replace", 5), None),
        (("mtl.evaluation.evaluate", "measure", 4), 12),
    ],
    ids=[
        "in an evaluation",
        "after one",
        "before its metrics",
        "within a rename",
        "in the last evaluation",
    ],
)
def test_killed_in_the_middle_of_something_it_goes_on_from_the_step_that_was_saved_before(
    tmp_path, longer, moment, at
):
    flags, reference = longer
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    assert lives.live(tmp_path / "log", command, lives.die_in, *moment).code == -9
    life = lives.live(tmp_path / "log", command)
    assert life.code == 0 and (at is None or continued_from(life.text) == at), life.text
    assert_same_run(tmp_path / "run", reference)


def test_killed_at_random_moments_it_ends_as_if_nothing_had_been(tmp_path, longer):
    """A run that saves and evaluates at every step and is killed eight times: whatever it was at, nothing of it shows at the end."""
    flags = [
        *(flag for flag in longer[0] if not flag.startswith(("--steps", "--save_every"))),
        "--steps=150",
        "--save_every=1",
    ]
    whole = lives.live(tmp_path / "whole.log", [*flags, f"--model_dir={tmp_path / 'whole'}"])
    assert whole.code == 0, whole.text
    moments, resumed, before = np.random.default_rng(17), [], 0
    for number in range(9):
        log = tmp_path / f"log{number}"
        process = lives.start(log, [*flags, f"--model_dir={tmp_path / 'run'}"])
        if number < 8:
            # The clock runs from the first step on: else every kill would meet the build of the graph.
            while process.is_alive() and not (log.exists() and ": validation" in log.read_text()):
                time.sleep(0.01)
            process.join(moments.uniform(0.0, 0.5))
            process.kill()
        life = lives.ended(process, log)
        if life.code == 0:
            break
        if before:
            resumed.append(continued_from(life.text))
            assert resumed[-1] and resumed[-1] >= before, life.text
        before = checkpoint.step_of(checkpoint.newest(str(tmp_path / "run")))
    assert life.code == 0 and len(resumed) >= 3, resumed
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_finished_run_is_left_as_it_is(tmp_path, longer):
    flags, reference = longer
    shutil.copytree(reference, tmp_path / "run")
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (tmp_path / "run").rglob("*")
        if path.is_file()
    }
    life = lives.live(tmp_path / "log", [*flags, f"--model_dir={tmp_path / 'run'}"])
    assert (
        life.code == 0
        and "finished at step 12; nothing to do" in life.text
        and continued_from(life.text) is None
    )
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (tmp_path / "run").rglob("*")
        if path.is_file()
    }
