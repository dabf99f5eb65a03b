"""Reports of outputs made by hand: twelve numbers, six of them wrong."""

import numpy as np
from html_check import tree

from mtl import tasks
from mtl.data.examples import of_numbers
from mtl.evaluation import evaluate
from mtl.reports import page, report, report_page, tables

# Each row: the true number, the predicted one, and the probability of each predicted class. Four of
# the mistakes have a wrong length. Two probabilities are equal.
ROWS = [
    ("210", "210", 0.9),
    ("", "", 0.8),
    ("7", "1", 0.95),
    ("54321", "54321", 0.6),
    ("1234567", None, 0.5),
    ("80", "8", 0.85),
    ("99", "99", 0.7),
    ("4040", "404", 0.3),
    ("1", "", 0.95),
    ("31415", None, 0.2),
    ("6", "6", 0.55),
    ("13", "19", 0.4),
]
TRUE, PREDICTED, PROBABILITIES = map(list, zip(*ROWS))
# The mistakes by confidence, which is the probability to the power of length + 1: 0.95, 0.9025,
# 0.7225, 0.064, 0.0081, 0.2 ** 6.
MISTAKEN = [8, 2, 5, 11, 7, 9]

HOSTILE = '"><img src=x onerror=alert(1)>.png'
IMAGE = page.png(np.zeros((2, 2, 3), np.uint8))
PLOTS = dict.fromkeys(report.PLOTS, IMAGE)
BESIDE = ["mistakes.csv", "metrics.json"]
RUN = report_page.Run(
    name="runs/mine",
    flags="--bottom=small\n--data_dir=a b\n",
    trained={"numpy": "1", "abacus": "2"},
    here={"numpy": "2", "python": "3"},
    evaluate="mtl evaluate x",
    train="mtl train y",
)


def outputs(predicted=PREDICTED, probabilities=PROBABILITIES):
    """Return log probabilities that are decoded to the predicted numbers."""
    found = {}
    for task in tasks.NUMBER_TASKS:
        found[task.name] = np.full((len(predicted), task.outputs), np.log(1e-9), np.float32)
    for i, (number, probability) in enumerate(zip(predicted, probabilities, strict=True)):
        for name, label in tasks.encode("999999" if number is None else number).items():
            found[name][i, label] = np.log(probability)
    return found


def examples_of(numbers=TRUE):
    images = np.random.default_rng(2).integers(0, 256, (len(numbers), 64, 64, 3), np.uint8)
    return of_numbers(images, list(numbers), [f"dir/{i}.png" for i in range(len(numbers))])


def made(log_probs=None, examples=None, evaluations=()):
    """Return the tables.Report of outputs."""
    log_probs = outputs() if log_probs is None else log_probs
    examples = examples or examples_of()
    result = {"dataset": "npz", "split": "validation", "step": 30}
    result |= evaluate.measure(log_probs, examples.numbers, "linear")
    return tables.make(log_probs, examples, tasks.NUMBER_TASKS, result, evaluations)


def evaluations(steps=(10, 20, 30)):
    """Return one line of metrics.jsonl for each step. All their values differ."""
    lines = []
    for i, step in enumerate(steps):
        accuracies = {}
        for k, task in enumerate(tasks.NUMBER_TASKS):
            accuracies[task.name] = (i + 1) / 64 + k / 512
        lines.append(
            {
                "step": step,
                "sequence_accuracy": i / 32,
                "character_accuracy": i / 16,
                "coverage_at_98": 0.0,
                "cost": -i / 2,
                "task_accuracy": accuracies,
                "task_cross_entropy": {name: 1 / value for name, value in accuracies.items()},
            }
        )
    return lines


def page_of(rows, run=RUN, plots=PLOTS):
    """Return the parsed page of a tables.Report."""
    mistakes = [IMAGE] * min(len(rows.mistakes), report.MISTAKES)
    return tree(report_page.html(rows, run, plots, mistakes, BESIDE))
