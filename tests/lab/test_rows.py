"""results.csv: one line for each run."""

import csv
import io

from mtl.lab import rows, summary
from mtl.reports.rows import to_csv
from tests.lab import made

VALUES = {"objective": ["linear", "single"], "learning_rate": [0.1, 0.2], "seed": [0]}


def table():
    results = []
    for run in made.runs(VALUES):
        rate = run.config.learning_rate
        best = made.evaluation(4, 1 - rate, 0.5, 1.5)
        test = made.evaluation(4, 0.25, 0.125, 2.5) if rate == 0.1 else None
        ended = made.DIVERGED if run.task == "h" and rate == 0.2 else made.DONE
        results.append(made.result(run, best, ended=ended, test=test))
    found = rows.of_results(summary.make(results), VALUES)
    return list(csv.DictReader(io.StringIO(to_csv(found))))


def test_each_run_has_a_row_with_its_flags():
    found = table()
    flags = [(row["objective"], row["task"], row["learning_rate"], row["seed"]) for row in found]
    assert flags == [
        ("linear", "", "0.1", "0"),
        ("linear", "", "0.2", "0"),
        ("single", "a", "0.1", "0"),
        ("single", "h", "0.1", "0"),
        ("single", "a", "0.2", "0"),
        ("single", "h", "0.2", "0"),
    ]
    assert [row["chosen"] for row in found] == ["1", "0", "1", "1", "0", "0"]


def test_a_row_has_the_metrics_of_both_splits():
    row = table()[0]
    assert (row["validation_score"], row["validation_a_accuracy"]) == ("0.9", "0.5")
    assert (row["test_score"], row["test_h_rmse"]) == ("0.25", "2.5")
    assert (row["seconds_per_step"], row["peak_memory_mb"], row["processes"]) == (
        "0.01",
        "500.0",
        "1",
    )


def test_a_failed_run_says_why():
    row = table()[5]
    assert row["exit_code"] == "3"
    assert row["error"].startswith("exit code 3: mtl train: task a: loss is nan")
    assert table()[0]["error"] == ""
