"""The results of a run, from the files that it leaves."""

import json

import pytest

from mtl.config import Config
from mtl.lab import results, work
from mtl.lab.grid import Run
from mtl.tasks import NUMBER_TASKS, parse
from tests.lab.conftest import TASKS

OWN = Run("own", Config(**TASKS), (), ())
ENDED = {"code": 0, "error": "", "seconds": 1.0, "memory": 5.0, "beside": 1}


def row(step, score, **more):
    tasks = {"a": {"accuracy": score, "loss": 0.5}, "h": {"rmse": 1.5}}
    return {"step": step, "score": score, "exact_match": None, "tasks": tasks, **more}


@pytest.fixture
def write(tmp_path):
    """A function (rows, log, ended) that writes the files of the run OWN."""

    def write_files(rows, log="", ended=ENDED):
        (tmp_path / "own").mkdir(exist_ok=True)
        lines = [each if isinstance(each, str) else json.dumps(each) for each in rows]
        (tmp_path / "own" / "metrics.jsonl").write_text("\n".join(lines))
        (tmp_path / "own.log").write_text(log)
        (tmp_path / "own.json").write_text(json.dumps(ended))
        return results.read(str(tmp_path), OWN)

    return write_files


def test_best_is_the_first_of_the_highest_score(write):
    found = write([row(2, 0.5), row(4, 0.75), row(6, 0.75), row(8, None)])
    assert [each.step for each in found.evaluations] == [2, 4, 6, 8]
    assert found.best.step == 4 and found.error == ""
    assert found.best.tasks["a"] == {
        "loss": 0.5,
        "accuracy": 0.75,
        "balanced_accuracy": None,
        "macro_f1": None,
    }
    assert found.best.tasks["h"]["rmse"] == 1.5
    assert found.best.totals == {"score": 0.75, "exact_match": None}


def test_lines_that_are_no_evaluations_are_skipped(write):
    bad = ["", "{", "[1]", '{"step": "4"}', '{"score": 1}', '{"step": 6, "score": NaN}']
    found = write([*bad, row(2, 0.5), {"step": 3, "tasks": [], "monitor": 7}])
    assert [each.step for each in found.evaluations] == [6, 2, 3]
    assert found.best.step == 2
    assert found.evaluations[2].tasks["a"]["accuracy"] is None


def test_metrics_of_numbers(tmp_path):
    line = {
        "step": 7,
        "score": 0.25,
        "sequence_accuracy": 0.25,
        "character_accuracy": 0.5,
        "coverage_at_98": 0.0,
        "task_accuracy": {task.name: 0.5 for task in NUMBER_TASKS},
        "task_cross_entropy": {"length": 1.5},
    }
    found = results.evaluation(line, NUMBER_TASKS)
    assert found.totals == {
        "sequence_accuracy": 0.25,
        "character_accuracy": 0.5,
        "coverage_at_98": 0.0,
    }
    assert found.tasks["length"] == {"accuracy": 0.5, "loss": 1.5}
    assert found.tasks["digit5"] == {"accuracy": 0.5, "loss": None}


def test_monitor_is_read_where_it_is_present():
    monitor = {
        "weights": {"a": 1e30, "h": 2, "x": None},
        "steps_at_floor": 1,
        "gradient_norms": {"a": 3.0},
        "cosines": {"a h": -1.0},
    }
    found = results.evaluation(row(2, 0.5, monitor=monitor), parse("a:2,h:real"))
    assert found.weights == {"a": 1e30, "h": 2}
    assert (found.steps_at_floor, found.norms, found.cosines) == (1, {"a": 3.0}, {"a h": -1.0})
    without = results.evaluation(row(2, 0.5), parse("a:2,h:real"))
    assert (without.weights, without.steps_at_floor) == ({}, None)


def test_floor_is_the_share_of_all_steps_until_the_last_evaluation(write):
    rows = [
        row(4, 0.5, monitor={"steps_at_floor": 4}),
        row(10, 0.5, monitor={"steps_at_floor": 5}),
    ]
    assert results.floor_of(write(rows)) == 0.5
    unknown = row(12, 0.5, monitor={"steps_at_floor": None})
    for evaluations in ([*rows, unknown], [row(2, 0.5)], []):
        assert results.floor_of(write(evaluations)) is None


def test_a_run_without_a_result_says_why(write, tmp_path):
    failed = write([row(2, 0.5)], ended={**ENDED, "code": 3, "error": "mtl train: nan"})
    assert failed.error == "exit code 3: mtl train: nan"
    assert "no evaluation" in write([row(2, None)]).error
    assert results.read(str(tmp_path), OWN._replace(name="none")).error == "not finished"


LOG = """$ mtl train --steps=400
oneDNN custom operations are on
step 20/400  800 examples/s  0:01 left  cost 2.0
step 40/400  1600 examples/s  0:01 left  cost 2.0
step 60/400  100 examples/s  0:01 left  cost 2.0
step 61/400  cost 2.0
"""


def test_seconds_of_a_step_are_the_median_of_the_progress_lines(write):
    assert results.seconds_of_step(LOG, 8) == pytest.approx(8 / 800)
    assert results.seconds_of_step("step 1/4  0 images/s", 8) is None
    assert write([], LOG).seconds == pytest.approx(0.01)


def test_progress_counts_from_the_start_of_the_last_process():
    assert results.progress_of(LOG) == (0.0, 61 / 400)
    again = f"{LOG}\n{work.PROMPT}train\nout/x: continuing from step 100\n"
    assert results.progress_of(again) == (0.0, 0.0)
    assert results.progress_of(f"{again}step 200/400  9 images/s") == (0.25, 0.5)


def test_test_is_the_json_in_the_log_of_its_process(tmp_path):
    log, record = tmp_path / "own.test.log", tmp_path / "own.test.json"
    assert results.read(str(tmp_path), OWN).test is None
    record.write_text(json.dumps(ENDED))
    log.write_text("$ mtl evaluate\nsomething\n")
    assert results.read(str(tmp_path), OWN).test_error == "the evaluation printed no result"
    line = row(4, 0.5)
    del line["score"]  # mtl evaluate prints none
    line["tasks"] = {"a": {"accuracy": 0.5}, "h": {"r2": 0.25}}
    log.write_text(f"$ mtl evaluate\nsomething\n{json.dumps(line)}\n")
    found = results.read(str(tmp_path), OWN)
    assert (found.test.score, found.test_error) == (0.375, "")
    record.write_text(json.dumps({**ENDED, "code": 2, "error": "no split"}))
    found = results.read(str(tmp_path), OWN)
    assert (found.test, found.test_error) == (None, "no split")
