"""Reports of outputs made by hand: twelve numbers, six of them wrong; and your own tasks."""

import numpy as np
from html_check import tree

import helpers
from mtl import kinds, tasks
from mtl.data.examples import Examples, of_numbers
from mtl.evaluation import by_task, evaluate
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
    result |= evaluate.measure(log_probs, examples.numbers, helpers.value_of("linear"))
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


def page_of(rows, run=RUN, plots=PLOTS, images=True):
    """Return the parsed page of a tables.Report; images: whether the mistakes have images."""
    mistakes = [IMAGE] * len(rows.shown) * images
    return tree(report_page.html(rows, run, plots, mistakes, BESIDE))


# -- your own tasks --------------------------------------------------------------------------------

OWN_TASKS = (
    tasks.Task("digit", 3),
    tasks.Task("odd", 2),
    tasks.Task("height", 1, "real", mean=2.0, std=0.5),
)
# Each row: digit, odd and height, then the predicted ones and the probability of the predicted
# classes. -1 and NaN: not labelled.
OWN_ROWS = [
    (0, 0, 1.0, 0, 0, 1.5, 0.9),
    (1, 1, 2.0, 2, 0, 2.0, 0.6),
    (2, -1, 3.0, 1, 1, 2.25, 0.8),
    (-1, 0, float("nan"), 2, 0, 9.0, 0.7),
    (1, 1, 4.0, 1, 1, 4.0, 0.7),
]


def own_outputs(rows=OWN_ROWS):
    """Return the outputs of the rows."""
    found = {"height": np.array([row[5] for row in rows], np.float32).reshape(-1, 1)}
    for column, task in ((3, OWN_TASKS[0]), (4, OWN_TASKS[1])):
        values = np.zeros((len(rows), task.outputs))
        for i, row in enumerate(rows):
            values[i] = (1 - row[6]) / (task.outputs - 1)
            values[i, row[column]] = row[6]
        found[task.name] = np.log(values).astype(np.float32)
    return found


def own_examples(rows=OWN_ROWS, shape=(9, 7, 1)):
    """Return the examples of the rows: grey images, or features if the shape is (features,)."""
    rng = np.random.default_rng(3)
    inputs = rng.integers(0, 256, (len(rows), *shape), np.uint8)
    labels = {
        "digit": np.array([row[0] for row in rows], np.int32),
        "odd": np.array([row[1] for row in rows], np.int32),
        "height": np.array([row[2] for row in rows], np.float32),
    }
    return Examples(inputs, labels, [f"dir/{i}.png" for i in range(len(rows))])


def own(found=None, examples=None, evaluations=(), own_tasks=OWN_TASKS):
    """Return the tables.Report of outputs of your own tasks."""
    found = own_outputs() if found is None else found
    examples = examples or own_examples()
    result = {"dataset": "npz", "split": "test", "step": 30}
    result |= by_task.measure(found, examples.labels, own_tasks, helpers.value_of("linear"))
    return tables.make(found, examples, own_tasks, result, evaluations)


def own_evaluations(steps=(10, 20, 30), own_tasks=OWN_TASKS):
    """Return one line of metrics.jsonl for each step."""
    lines = []
    for i, step in enumerate(steps):
        line = {"step": step, "examples": 5, "exact_match": i / 4, "cost": 3 - i, "score": i / 8}
        line["tasks"] = {}
        for k, task in enumerate(own_tasks):
            score = kinds.find(task.kind).SCORE
            line["tasks"][task.name] = {score: (i + 1) / 8 + k / 64, "loss": (i + 1) / (k + 2)}
        lines.append(line)
    return lines


def many(count=30):
    """Return the tables.Report of many tasks; task0 is always wrong, the last one never."""
    rng = np.random.default_rng(0)
    many_tasks = tuple(tasks.Task(f"task{i}", 3) for i in range(count))
    labels, found = {}, {}
    for i, task in enumerate(many_tasks):
        true = rng.integers(0, 3, 40)
        wrong = np.arange(40) < 40 - 40 * i // (count - 1)
        labels[task.name] = true.astype(np.int32)
        rows = np.full((40, 3), 0.1)
        rows[np.arange(40), (true + wrong) % 3] = 0.8
        found[task.name] = np.log(rows).astype(np.float32)
    images = rng.integers(0, 256, (40, 8, 8, 1), np.uint8)
    examples = Examples(images, labels, [f"{i}.png" for i in range(40)])
    return own(found, examples, own_evaluations(own_tasks=many_tasks), many_tasks)
