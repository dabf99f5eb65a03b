"""A run that is killed at any moment and repeated ends with the bits of a run that was not.

Each process is ended by SIGKILL; only its files remain.
"""

import os
import re
import signal
import time

import numpy as np
import pytest

from mtl import checkpoint
from mtl.data import npz
from tests import event_files, lives, record_sets, svhn_files
from tests.run_directories import assert_same_run, metrics_of

pytestmark = pytest.mark.slow

STEPS = 3  # of 5 examples; the shortest dataset has 8
NUMBERS = ["7", "210", "48", "1234567", "90210", "3", "10", "555"]
COMMON = [
    "train",
    "--bottom=mlp",
    "--crop=14",  # with 54, a checkpoint has 27 MB instead of 2
    "--dropout=0.4",
    "--batch_size=5",
    "--learning_rate=0.01",
    "--clip_min=2",  # some steps have a task at the floor, and are counted
    "--seed=3",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory, examples):
    """Return the flags of each dataset, dict name -> list of str."""
    root = tmp_path_factory.mktemp("data")
    for split in ("train", "validation"):
        labelled = [
            (f"{i}.png", svhn_files.boxes(number[:5])) for i, number in enumerate(NUMBERS, 1)
        ]
        svhn_files.draw(root / "svhn" / split, labelled)
    (root / "records").mkdir()
    some = record_sets.some(NUMBERS)
    record_sets.write(root / "records", train=[some[:3], some[3:]], validation=[some[:4]])
    (root / "npz").mkdir()
    for split in ("train", "validation"):
        npz.save(str(root / "npz" / f"{split}.npz"), examples)
    flags = {"synthetic": ["--dataset=synthetic", "--pool=8", "--reuse=2", "--workers=1"]}
    for name in ("svhn", "records", "npz"):
        flags[name] = [f"--dataset={name}", f"--data_dir={root / name}"]
        flags[name] += ["--window=16", "--augment=0.5"]
    return flags


def continued_from(text):
    """Return the step that a process reports to continue from, or None."""
    found = re.search(r"continuing from step (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None


@pytest.mark.parametrize("dataset", ["synthetic", "svhn", "records"])
def test_gets_the_exact_next_batch_after_a_kill_at_every_step(tmp_path, data, dataset):
    flags = [*COMMON, *data[dataset], f"--steps={STEPS}", "--save_every=1"]
    log = tmp_path / "log"
    whole = lives.live(log, [*flags, f"--model_dir={tmp_path / 'whole'}"])
    assert whole.code == 0 and continued_from(whole.text) is None, whole.text
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    for done in range(STEPS):
        life = lives.live(log, command, lives.die_after_steps, 1)
        assert life.code == (0 if done == STEPS - 1 else -9), life.text
        assert continued_from(life.text) == (done or None)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_event_files_after_a_kill_equal_those_of_an_uninterrupted_run(tmp_path, data):
    flags = [*COMMON, *data["npz"], "--steps=8", "--save_every=4", "--log_every=2", "--tensorboard"]
    log = tmp_path / "log"
    assert lives.live(log, [*flags, f"--model_dir={tmp_path / 'whole'}"]).code == 0
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    assert lives.live(log, command, lives.die_after_steps, 7).code == -9
    assert (6, "cost") in event_files.scalars(tmp_path / "run")  # beyond the checkpoint of step 4
    assert lives.live(log, command).code == 0
    found = []
    for name in ("run", "whole"):
        scalars = event_files.scalars(tmp_path / name)
        found.append({key: scalars[key] for key in scalars if key[1] != "examples_per_sec"})
    assert found[0] == found[1] and {step for step, _ in found[1]} == {2, 4, 6, 8}


@pytest.fixture(scope="module")
def longer(tmp_path_factory, data):
    """Return the flags of a run of 12 steps, saved every 3, and the directory of a whole run."""
    flags = [*COMMON, *data["npz"], "--steps=12", "--save_every=3"]
    directory = tmp_path_factory.mktemp("longer")
    life = lives.live(directory / "log", [*flags, f"--model_dir={directory / 'run'}"])
    assert life.code == 0, life.text
    counts = [row["monitor"]["steps_at_floor"] for row in metrics_of(directory / "run")]
    assert 0 < counts[1] < counts[2] < counts[3] < 12
    return flags, directory / "run"


@pytest.mark.parametrize(
    "moment, at",
    [
        (("mtl.inference.reading", "read", 2), 6),
        (("mtl.evaluation.evaluate", "measure", 3), 9),
        (("mtl.run_files", "write_records", 3), 6),  # the first call is that of the start
        (("mtl.checkpoint", "_is_literal", 3), 3),  # called after monitor.json is written
        (("os", "replace", 6), 3),
        (("mtl.evaluation.evaluate", "measure", 4), 12),
    ],
    ids=[
        "in an evaluation",
        "after an evaluation",
        "before its metrics",
        "before a checkpoint",
        "within a rename",
        "in the last evaluation",
    ],
)
def test_resumes_from_last_save_after_sigkill(tmp_path, longer, moment, at):
    flags, reference = longer
    command = [*flags, f"--model_dir={tmp_path / 'run'}"]
    assert lives.live(tmp_path / "log", command, lives.die_in, *moment).code == -9
    life = lives.live(tmp_path / "log", command)
    assert life.code == 0 and continued_from(life.text) == at, life.text
    assert_same_run(tmp_path / "run", reference)


def test_resumes_from_the_step_that_a_signal_saved(tmp_path, longer):
    flags, reference = longer
    command, log = [*flags, f"--model_dir={tmp_path / 'run'}"], tmp_path / "log"
    process = lives.start(log, command, lives.hold_step, 8)
    lives.reached(process, log)
    os.kill(process.pid, signal.SIGTERM)
    assert lives.ended(process, log).code == 143
    life = lives.live(log, command)
    assert life.code == 0 and continued_from(life.text) == 8, life.text
    assert_same_run(tmp_path / "run", reference)


def test_survives_sigkill_at_random_moments(tmp_path, longer):
    # It saves and evaluates at every step, so that the kills meet every part of the loop.
    flags = [flag for flag in longer[0] if not flag.startswith(("--steps", "--save_every"))]
    flags += ["--steps=60", "--save_every=1"]
    whole = lives.live(tmp_path / "whole.log", [*flags, f"--model_dir={tmp_path / 'whole'}"])
    assert whole.code == 0, whole.text
    rng, resumed, before = np.random.default_rng(17), [], 0
    for number in range(5):
        log = tmp_path / f"log{number}"
        process = lives.start(log, [*flags, f"--model_dir={tmp_path / 'run'}"])
        if number < 4:
            # Timed from the first step: else every kill would come while the graph is built.
            while process.is_alive() and not (log.exists() and ": validation" in log.read_text()):
                time.sleep(0.01)
            process.join(rng.uniform(0.0, 0.5))
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
