"""A comparison in its folder: what it starts, what it writes, and what it refuses."""

import json
import os
import re

import pytest

from mtl import checkpoint, machine
from mtl.errors import UsageError
from mtl.lab import comparison, summary, work
from mtl.lab.page import About
from tests.helpers import one_line
from tests.lab import made

VALUES = {"objective": ["linear"], "seed": [0, 1]}
ABOUT = About("mtl compare", [], VALUES, ["learning_rate"])


class Quiet:
    """Takes the place of a progress.Progress."""

    def __init__(self, jobs):
        self.jobs = jobs

    def ended(self, job, ended):
        assert job.name in self.jobs

    def waiting(self, running, to_come):
        pass


def never():
    return 0


def test_folder_is_marked_and_holds_the_runs(tmp_path):
    out = str(tmp_path / "a" / "b")
    with comparison.opened(out, ABOUT) as folder:
        assert folder == os.path.join(out, "runs") and os.listdir(folder) == []
        record = json.loads((tmp_path / "a" / "b" / "grid.json").read_text())
        assert record["values"] == VALUES
    with comparison.opened(out, ABOUT):
        pass  # its own folder can be opened again


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "line\nbreak").touch()
    with pytest.raises(UsageError) as error, comparison.opened(str(tmp_path), ABOUT):
        pass
    one_line(error, "holds line\\nbreak, and is not a comparison", "choose another --out")
    assert os.listdir(tmp_path) == ["line\nbreak"]


def test_a_run_is_locked_by_the_file_that_mtl_train_locks():
    assert comparison.LOCK == checkpoint.LOCK


def test_an_empty_folder_is_used(tmp_path):
    with comparison.opened(str(tmp_path), ABOUT):
        assert set(os.listdir(tmp_path)) == {"grid.json", "lock", "runs"}


@pytest.mark.parametrize("steps, log_every, expected", [(4, 200, 1), (1000, 200, 50), (1000, 7, 7)])
def test_a_run_logs_often_enough_to_measure_its_speed(
    fake, tmp_path, monkeypatch, steps, log_every, expected
):
    monkeypatch.setattr(machine, "cores", lambda: 3)
    runs = made.runs({"seed": [0]}, steps=steps, log_every=log_every)
    comparison.train(str(tmp_path), runs, 1, ["--nogpu_memory_growth"], Quiet, never)
    log = next(tmp_path.glob("*.log")).read_text()
    assert re.findall(r"--log_every=(\d+)", log)[-1] == str(expected)
    assert "--threads=3" in log and "--nogpu_memory_growth" in log


def test_test_evaluates_the_chosen_settings_of_all_seeds(fake, tmp_path):
    values = {"objective": ["linear", "single"], "learning_rate": [0.001, 0.002], "seed": [0, 1]}
    runs = made.runs(values)
    comparison.train(str(tmp_path), runs, 2, [], Quiet, never)
    assert comparison.test(str(tmp_path), runs, 2, [], Quiet, never) == 0
    tested = {path.name.removesuffix(".test.json") for path in tmp_path.glob("*.test.json")}
    assert tested == {run.name for run in runs if run.config.learning_rate == 0.002}


def test_seeds_that_do_not_choose_are_trained_with_the_chosen_setting(fake, tmp_path):
    values = {"objective": ["linear", "single"], "learning_rate": [0.001, 0.002], "seed": [0, 1]}
    runs = made.runs(values, choosing=1)
    assert comparison.train(str(tmp_path), runs, 2, [], Quiet, never) == 0
    trained = {path.name.removesuffix(".json") for path in tmp_path.glob("*.json")}
    chosen = [run for run in runs if run.config.learning_rate == 0.002]
    assert trained == {run.name for run in [*runs, *chosen] if run in chosen or not run.config.seed}
    comparison.test(str(tmp_path), runs, 2, [], Quiet, never)
    tested = {path.name.removesuffix(".test.json") for path in tmp_path.glob("*.test.json")}
    assert tested == {run.name for run in chosen}


def test_a_signal_before_the_first_run_starts_none(fake, tmp_path):
    assert comparison.train(str(tmp_path), made.runs(VALUES), 1, [], Quiet, lambda: 15) == 15
    assert os.listdir(tmp_path) == []


def test_write_counts_test_evaluations_of_earlier_comparisons(tmp_path):
    (tmp_path / "runs").mkdir()
    for name in ("other.test.json", "another.test.json"):
        work.write_json(str(tmp_path / "runs" / name), made.DONE._asdict())
    comparison.write(str(tmp_path), made.runs(VALUES), ABOUT)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "2 runs of this folder have been evaluated on test" in page
    assert set(os.listdir(tmp_path)) == {"runs", "index.html", "results.csv"}


def test_text_has_a_line_for_each_variant():
    results = made.seeds(("linear", [0.5, 0.5]), ("log_sum", [0.25]))
    text = comparison.text(summary.make(results), "out/index.html")
    assert text.splitlines() == [
        "score on validation, mean and half of the 95% interval over the seeds",
        "linear   0.5000 ± 0.0000",
        "log_sum  0.2500",
        "page: out/index.html",
    ]


def test_exit_code_is_that_of_the_first_run_if_all_failed():
    results = made.seeds(("linear", [0.5, 0.5]))
    assert comparison.exit_code(summary.make(results)) == 0
    failed = [each._replace(ended=made.DIVERGED) for each in results]
    assert comparison.exit_code(summary.make([failed[0], results[1]])) == 0
    assert comparison.exit_code(summary.make(failed)) == 3
    without = [each._replace(best=None) for each in results]
    assert comparison.exit_code(summary.make(without)) == 2
