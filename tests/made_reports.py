"""Reports of outputs made by hand: twelve numbers, six of them read wrong."""

import numpy as np

from mtl import tasks
from mtl.data.examples import Examples
from mtl.evaluation import evaluate
from mtl.reports import report

TRUE = ["210", "", "7", "54321", "1234567", "80", "99", "4040", "1", "31415", "6", "13"]
READ = [
    "210",
    "",
    "1",
    "54321",
    None,
    "8",
    "99",
    "404",
    "",
    None,
    "6",
    "19",
]  # six mistakes, four of them of length
SURE = [
    0.9,
    0.8,
    0.95,
    0.6,
    0.5,
    0.85,
    0.7,
    0.3,
    0.95,
    0.2,
    0.55,
    0.4,
]  # P of each class read; two of 0.95
WRONG = [
    8,
    2,
    5,
    11,
    7,
    9,
]  # by SURE to the power of length + 1: 0.95, 0.9025, 0.7225, 0.064, 0.0081, 0.2 ** 6


def outputs(read=READ, sure=SURE):
    """Return log probabilities that are decoded to `read`, every class in question with the probability in `sure`."""
    out = {
        task.name: np.empty((len(read), task.classes), np.float32) for task in tasks.NUMBER_TASKS
    }
    for i, (number, p) in enumerate(zip(read, sure, strict=True)):
        for name, label in tasks.encode("999999" if number is None else number).items():
            out[name][i] = np.log(1e-9)
            out[name][i, label] = np.log(p)
    return out


def examples_of(numbers=TRUE):
    images = np.random.default_rng(2).integers(0, 256, (len(numbers), 64, 64, 3), np.uint8)
    return Examples(images, list(numbers), [f"dir/{i}.png" for i in range(len(numbers))])


def made(log_probs=None, examples=None, evaluations=()):
    log_probs, examples = outputs() if log_probs is None else log_probs, examples or examples_of()
    result = evaluate.measure(log_probs, examples.numbers, lambda means: sum(means.values()))
    return report.make(
        log_probs,
        examples,
        {"dataset": "npz", "split": "validation", "step": 30, **result},
        evaluations,
    )


def evaluations(steps=(10, 20, 30)):
    """Return lines of metrics.jsonl: as many as there are steps, each value another."""
    lines = []
    for i, step in enumerate(steps):
        of_tasks = [
            (task.name, (i + 1) / 64 + k / 512) for k, task in enumerate(tasks.NUMBER_TASKS)
        ]
        line = {
            "step": step,
            "sequence_accuracy": i / 32,
            "character_accuracy": i / 16,
            "coverage_at_98": 0.0,
            "cost": -i / 2,
        }
        lines.append(
            {
                **line,
                "task_accuracy": dict(of_tasks),
                "task_cross_entropy": {name: 1 / value for name, value in of_tasks},
            }
        )
    return lines
