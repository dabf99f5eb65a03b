"""The time of a training step against batch size, number of tasks and image size."""

import contextlib
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import sessions, train
from mtl.inputs import NUMBERS
from mtl.tasks import NUMBER_TASKS, Task
from tests.benchmarks import sides, tables, turns

TITLE = "Time of a training step of `small`, fp32"
BATCHES = (1, 8, 16, 32, 64, 128, 256)
TASKS = (6, 12, 25, 50, 100, 200)
SIZES = (27, 54, 81, 108)
ROUNDS = 3
STEPS = 15


class Steps:
    """Training steps of `small` of any shape."""

    def cost(self, batch_size, count, size):
        """Return the seconds to build and start a graph, and the median seconds of a step.

        Args:
          batch_size: int.
          count: int, tasks.
          size: int, height and width of the images in pixels.
        """
        config = sides.default("small", "fp32", batch_size=batch_size)
        inputs = NUMBERS._replace(crop=size, shape=(size, size, 3))
        tasks = NUMBER_TASKS
        if count != len(NUMBER_TASKS):
            tasks = [Task(f"task{number}", 11) for number in range(count)]
        options = sessions.session_config(config.threads, batch_size)
        since = time.perf_counter()
        with tf.Graph().as_default(), tf.Session(config=options) as session:
            graph = train.build(config, tasks=tasks, inputs=inputs)
            session.run(tf.global_variables_initializer())
            run = session.make_callable(
                [graph.minimize, graph.cost, graph.watched], [graph.inputs, *graph.labels.values()]
            )
            batch = _batch(batch_size, count, size)
            run(*batch)
            started = time.perf_counter() - since
            seconds = []
            for _ in range(STEPS):
                since = time.perf_counter()
                run(*batch)
                seconds.append(time.perf_counter() - since)
        return started, float(np.median(seconds))


def _batch(batch_size, count, size):
    """Return random images and the labels of each task."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, [batch_size, size, size, NUMBERS.shape[2]], np.uint8)
    return [images] + [rng.integers(0, 7, batch_size, np.int32) for _ in range(count)]


@contextlib.contextmanager
def opened():
    """Open Steps."""
    yield Steps()


def run(arguments):
    """Measure and print the three tables."""
    print(f"Medians of {ROUNDS} rounds of {STEPS} steps.\n")
    _print("batch size", [(batch, (batch, 6, 54)) for batch in BATCHES])
    _print("tasks", [(count, (32, count, 54)) for count in TASKS])
    _print("image, pixels", [(size, (32, 6, size)) for size in SIZES])


def _print(kind, cases):
    """Print a table; cases: list of (value, arguments of Steps.cost)."""
    rows = []
    for value, shape in cases:
        # Each in its own process: the first session fixes the threads of a process.
        with turns.Player("mtl", opened) as player:
            found = [player.ask("cost", *shape) for _ in range(ROUNDS)]
        tables.record("scaling", f"{kind} {value}", "mtl", [1e3 * step for _, step in found], "ms")
        started, step = np.median(found, axis=0)
        rows.append([str(value), f"{1e3 * step:.1f}", f"{shape[0] / step:.0f}", f"{started:.1f}"])
    tables.table([kind, "ms a step", "images/s", "s to build and start"], rows)
