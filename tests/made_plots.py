"""Reports for the tests of plots, with few examples and curves."""

from mtl import tasks
from mtl.reports import curves as curves_lib, number_tables, tables

NAMES = [task.name for task in tasks.NUMBER_TASKS]
EMPTY = {"examples": 0, "correct": 0, "accuracy": None, "low_95": None, "high_95": None}
LENGTHS = [
    {"length": "0", **EMPTY},
    {
        "length": "1",
        "examples": 1200,
        "correct": 1170,
        "accuracy": 0.975,
        "low_95": 0.9645,
        "high_95": 0.9828,
    },
    {"length": "2", "examples": 8, "correct": 8, "accuracy": 1.0, "low_95": 0.6756, "high_95": 1.0},
]
COVERAGE = [
    {"threshold": 0.9, "answered": 60, "correct": 60, "coverage": 0.6, "accuracy": 1.0},
    {"threshold": 0.5, "answered": 100, "correct": 71, "coverage": 1.0, "accuracy": 0.71},
]
RELIABILITY = [
    dict(zip(number_tables.RELIABILITY, (0.0, 0.1, 0, 0, None, None))),
    dict(zip(number_tables.RELIABILITY, (0.3, 0.4, 1200, 444, 0.35, 0.37))),
    dict(zip(number_tables.RELIABILITY, (0.9, 1.0, 8, 8, 0.97, 1.0))),
]


def confusion_of(task):
    """Return a confusion table with 1700 on the diagonal, and 0 or 1 elsewhere."""
    names = [*map(str, range(task.outputs - 1)), "X"]
    rows = []
    for i, true in enumerate(names):
        counts = [1700 if i == j else (i + j) % 2 for j in range(len(names))]
        rows.append({"true": true, **dict(zip(names, counts))})
    return rows


def report_of(coverage_at_98=0.6, coverage=COVERAGE, lines=(), dataset="npz"):
    head = {"dataset": dataset, "split": "validation", "step": 30, "coverage_at_98": coverage_at_98}
    return tables.Report(
        metrics=head,
        tasks=tasks.NUMBER_TASKS,
        tables={task.name: confusion_of(task) for task in tasks.NUMBER_TASKS},
        mistakes=[],
        mistaken=[],
        shown=[],
        curves=curves_lib.make(lines, tasks.NUMBER_TASKS),
        focus=list(tasks.NUMBER_TASKS),
        numbers=number_tables.Numbers(
            lengths=LENGTHS,
            coverage=coverage,
            reliability=RELIABILITY,
            calibration_error=0.0206,
            temperatures=number_tables.UNCALIBRATED,
            decoded=[],
            mistakes=[],
            mistaken=[],
        ),
    )


def evaluations():
    """Return three lines of metrics.jsonl; the second has no cross entropies."""
    lines = []
    for i, loss in enumerate([2.5, None, 0.5]):
        line = {"step": 10 * i, "sequence_accuracy": i / 8}
        line["task_accuracy"] = dict.fromkeys(NAMES, i / 4)
        line["task_cross_entropy"] = dict.fromkeys(NAMES, loss)
        lines.append(line)
    return lines


def labels_of(ticks):
    return [text.get_text() for text in ticks]
