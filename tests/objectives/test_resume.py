"""What objectives remember in a run: resumed to the last bit, kept by a skipped step, masked."""

import dataclasses
import itertools
import os
import pathlib
import shutil
from typing import NamedTuple

import numpy as np
import pytest

from mtl import config, inputs, kinds, objectives, tasks, train
from tests.run_directories import assert_same_variables, variables_of

pytestmark = pytest.mark.slow
# The window, the nadir and the warmup end within the run.
OPTIONS = {"dwa": "window:2", "stch": "nadir_steps:6", "excess": "warmup:2"}
STATEFUL = [name for name in config.OBJECTIVES if objectives.find(name).STATE not in ("none", "")]
RECORD = config.Config(
    tasks="a:3,b:real,c:4",
    dataset="table",
    bottom="mlp",
    dropout=0.3,
    warmup_steps=0,
    batch_size=6,
    steps=8,
    save_every=4,
    seed=5,
)
FEATURES = inputs.Inputs((5,), 0, "float32")


def record_of(name, **fields):
    settings = {"objective": name, "objective_options": OPTIONS.get(name, "")}
    return dataclasses.replace(RECORD, **settings, **fields)


def source(first_step, broken_at=None):
    """Yield batches in which some labels are missing; task a has none in every third.

    Args:
      first_step: int.
      broken_at: int, the step, counted from 0, whose inputs are NaN.
    """
    for step in itertools.count(first_step):
        rng = np.random.default_rng([3, step])
        labels = {}
        for task in tasks.parse(RECORD.tasks):
            kind = kinds.find(task.kind)
            values = rng.integers(0, 3, RECORD.batch_size).astype(kind.DTYPE)
            absent = rng.random(RECORD.batch_size) < 0.3
            absent |= (task.name == "a") & (step % 3 == 1)
            labels[task.name] = np.where(absent, kind.MISSING, values).astype(kind.DTYPE)
        values = rng.random((RECORD.batch_size, 5), np.float32)
        yield np.full_like(values, np.nan) if step == broken_at else values, labels


def run(directory, record, source=source, scores=()):
    """Train; return the messages. scores: of the evaluations, in order; none without them."""
    messages, remaining = [], iter(scores)

    def evaluator(session):
        return lambda: {"score": next(remaining)}

    callbacks = train.Callbacks(messages.append)
    settings = {"inputs": FEATURES, "callbacks": callbacks}
    train.run(record, str(directory), source, evaluator if scores else None, **settings)
    return messages


def remembered(path):
    """Return the variables of the objective in a checkpoint."""
    found = variables_of(path)
    return {name: value for name, value in found.items() if name.startswith("objective/")}


class Whole(NamedTuple):
    """A finished run of an objective."""

    name: str
    directory: pathlib.Path


@pytest.fixture(scope="module", params=STATEFUL)
def whole(request, tmp_path_factory):
    """A run of each objective that remembers something. Read only."""
    directory = tmp_path_factory.mktemp(request.param)
    run(directory, record_of(request.param))
    return Whole(request.param, directory)


@pytest.fixture
def at_4(whole, tmp_path):
    """A copy of it as after a kill before its last save: step 4 is saved."""
    directory = shutil.copytree(whole.directory, tmp_path / "run")
    for path in directory.glob("model.ckpt-8.*"):
        path.unlink()
    return directory


def test_a_run_continues_to_the_last_bit(whole, at_4):
    run(at_4, record_of(whole.name))
    last = "model.ckpt-8"
    assert_same_variables(at_4 / last, whole.directory / last)
    before, after = (remembered(whole.directory / f"model.ckpt-{step}") for step in (4, 8))
    assert before and before.keys() == after.keys()
    assert all(np.isfinite(value).all() for value in after.values())
    assert any((after[key] != before[key]).any() for key in after)


def test_a_skipped_step_changes_nothing(whole, at_4):
    def broken(first_step):
        return source(first_step, broken_at=4)

    record = record_of(whole.name, on_nonfinite="skip")
    messages = run(at_4, dataclasses.replace(record, steps=5, save_every=5), broken)
    assert any("skipped, 1 so far" in message for message in messages)
    before, after = (remembered(at_4 / f"model.ckpt-{step}") for step in (4, 5))
    assert before.keys() == after.keys()
    for key, value in before.items():
        np.testing.assert_array_equal(after[key], value, err_msg=key)


def test_best_weights_and_new_runs_ignore_what_an_objective_trains(tmp_path):
    record = record_of("uncertainty")
    run(tmp_path / "first", record, scores=[0.5, 0.7])
    best = tmp_path / "first" / "best" / "model.ckpt-8"
    assert remembered(tmp_path / "first" / "model.ckpt-8")
    assert not remembered(best)
    messages = []
    callbacks = train.Callbacks(messages.append)
    for start, directory in ((best, "second"), (tmp_path / "first" / "model.ckpt-8", "third")):
        short = dataclasses.replace(record, steps=1, init_from=str(start))
        settings = {"inputs": FEATURES, "callbacks": callbacks, "start": str(start)}
        train.run(short, str(tmp_path / directory), source, None, **settings)
        # One step of Adam from 0.
        found = remembered(tmp_path / directory / "model.ckpt-1")["objective/log_variances"]
        np.testing.assert_allclose(np.abs(found), np.full(3, short.learning_rate), rtol=0.01)
    assert not [message for message in messages if "new tasks" in message]
    assert os.path.isdir(tmp_path / "third")
