"""The evaluator of a cluster: what it waits for, evaluates and writes."""

import dataclasses
import os
import shutil
import signal

import pytest

from mtl import checkpoint, run_files, train
from mtl.cli import console, evaluator, training
from mtl.errors import DataError, Interrupted, NoExamplesError, UsageError
from tests.cluster import local, processes
from tests.helpers import one_line
from tests.run_directories import assert_same_variables, fingerprint, metrics_of
from tests.sleeping import Sleeping

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_left")]

STEPS = (4, 8, 12)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The Config of a run of 12 steps, with its data."""
    folder = tmp_path_factory.mktemp("data")
    processes.write_data(folder)
    fields = {"tasks": "a:2,b:3,h:real", "steps": STEPS[-1], "save_every": STEPS[0]}
    return local.config(data_dir=str(folder), **fields)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """The directory of the run, which was evaluated while it trained. It has all checkpoints."""
    directory = tmp_path_factory.mktemp("finished")
    opened = console.opened(config)
    run = run_files.Run(config, opened.tasks, opened.inputs)
    examples = training.validation(*run[:3])
    measuring = training.Evaluator(run, str(directory), examples, evaluator.Silent(), lambda: 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "KEEP", len(STEPS))
        given = {"tasks": run.tasks, "inputs": run.inputs}
        train.run(config, str(directory), opened.source, measuring, **given)
    assert [row["step"] for row in metrics_of(directory)] == list(STEPS)
    return directory


class Chief:
    """Writes what a chief writes into a run directory."""

    def __init__(self, finished, directory):
        self.finished, self.directory = finished, directory

    def starts(self, rows=()):
        """Write config.json, and metrics.jsonl with rows."""
        self.directory.mkdir()
        shutil.copy(self.finished / checkpoint.CONFIG, self.directory)
        run_files.write_records(str(self.directory), {}, rows)

    def saves(self, step):
        """Write a checkpoint, the index last."""
        for part in ("data-00000-of-00001", "index"):
            shutil.copy(self.finished / f"{checkpoint.PREFIX}-{step}.{part}", self.directory)

    def removes(self, step):
        """Remove a checkpoint."""
        checkpoint.remove_parts(self.directory, f"{checkpoint.PREFIX}-{step}".__eq__)


@pytest.fixture
def chief(finished, tmp_path):
    return Chief(finished, tmp_path / "run")


@pytest.fixture
def waiting(monkeypatch):
    """A function (*acts): they act while the evaluator waits for a checkpoint."""
    return lambda *acts: monkeypatch.setattr(evaluator, "time", Sleeping(*acts))


def interrupt():
    signal.raise_signal(signal.SIGTERM)


def test_each_newest_checkpoint_is_evaluated_as_during_training(chief, config, waiting, capsys):
    def start():
        chief.starts()
        chief.saves(4)

    waiting(start, lambda: chief.saves(8), lambda: chief.saves(12))
    assert evaluator.run(config, str(chief.directory)) == 0
    assert metrics_of(chief.directory) == metrics_of(chief.finished)
    best, expected = (each / checkpoint.BEST for each in (chief.directory, chief.finished))
    assert_same_variables(checkpoint.newest(str(best)), checkpoint.newest(str(expected)))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["step 4", "step 8", "step 12"]


def test_what_is_evaluated_already_is_not_evaluated_again(chief, config, waiting):
    chief.starts([{"step": step, "score": 0.5} for step in (4, 8, 12)])
    chief.saves(8)

    waiting(lambda: chief.saves(12))
    before = fingerprint(chief.directory)
    assert evaluator.run(config, str(chief.directory)) == 0
    chief.removes(12)
    assert fingerprint(chief.directory) == before


def test_evaluations_after_the_checkpoint_of_a_chief_that_went_back_are_removed(
    chief, config, waiting
):
    rows = metrics_of(chief.finished)
    chief.starts([rows[0], {"step": 12, "score": 1e9}])
    chief.saves(8)
    waiting(lambda: chief.saves(12))
    assert evaluator.run(config, str(chief.directory)) == 0
    assert metrics_of(chief.directory) == rows


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_skipped(
    chief, config, waiting, monkeypatch
):
    chief.starts()
    chief.saves(4)
    restore = checkpoint.restore

    def restores(session, variables, path):
        if checkpoint.step_of(path) == 4:
            chief.removes(4)
            chief.saves(8)
        return restore(session, variables, path)

    monkeypatch.setattr(checkpoint, "restore", restores)
    waiting(lambda: chief.saves(12))
    assert evaluator.run(config, str(chief.directory)) == 0
    assert metrics_of(chief.directory) == metrics_of(chief.finished)[1:]


def test_a_damaged_checkpoint_is_named(chief, config):
    chief.starts()
    chief.saves(12)
    path = chief.directory / f"{checkpoint.PREFIX}-12"
    path.with_name(f"{path.name}.index").write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        evaluator.run(config, str(chief.directory))
    one_line(caught, f"{path}: cannot be read (", "restore it from a copy")


def test_other_flags_than_those_of_the_run_are_named(chief, config):
    chief.starts()
    chief.saves(4)
    other = dataclasses.replace(config, seed=3, steps=100)
    before = fingerprint(chief.directory)
    with pytest.raises(UsageError) as caught:
        evaluator.run(other, str(chief.directory))
    what = "holds a run with --seed=0 (now 3); start all processes with the same flags"
    assert str(caught.value) == f"{chief.directory}: {what}"
    assert fingerprint(chief.directory) == before


def test_own_data_without_validation_is_refused(chief, config, monkeypatch, capsys):
    def load(dataset, data_dir, split, **options):
        raise NoExamplesError(f"{data_dir}: no example")

    monkeypatch.setattr(console, "load", load)
    chief.starts()
    chief.saves(4)
    with pytest.raises(DataError) as caught:
        evaluator.run(dataclasses.replace(config, data_dir="own"), str(chief.directory))
    assert capsys.readouterr().err.endswith(": own: no example\n")
    what = "there is no validation, so an evaluator has nothing to do"
    cure = "start it without --separate_evaluator"
    assert str(caught.value) == f"{chief.directory}: {what}; {cure}"


def test_an_evaluator_that_waits_says_so_and_ends_on_a_signal(config, tmp_path, waiting, capsys):
    polls = round(2.5 * evaluator.REMIND_SECONDS / evaluator.POLL_SECONDS)
    waiting(*[lambda: None] * polls, interrupt)
    with pytest.raises(Interrupted) as caught:
        evaluator.run(config, str(tmp_path / "run"))
    assert str(caught.value) == f"{tmp_path / 'run'}: the evaluator has stopped"
    assert caught.value.exit_code == 143
    assert (
        capsys.readouterr().err.splitlines()
        == [f"{tmp_path / 'run'}: waiting for a checkpoint"] * 2
    )
    assert os.listdir(tmp_path) == []
