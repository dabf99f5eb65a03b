"""What a training step costs against the batch size, the number of tasks and the size of the images."""

import contextlib
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, model, train
from mtl.tasks import NUMBER_TASKS, Task
from tests.benchmarks import sides, tables, turns

BATCHES, TASKS, SIZES = (1, 8, 16, 32, 64, 128, 256), (6, 12, 25, 50, 100, 200), (27, 54, 81, 108)


class Steps:
    """Training steps of `small` of any shape."""

    def cost(self, batch_size, tasks, size, times=15):
        """Return the seconds to build and start a graph, and the median seconds of a step."""
        config = sides.default("small", "fp32", batch_size=batch_size)
        config_lib.CROP = size  # of this process
        since, stream = time.perf_counter(), np.random.default_rng(0)
        with (
            tf.Graph().as_default(),
            tf.Session(config=model.session_config(config.threads, batch_size)) as session,
        ):
            graph = train.build(
                config,
                tasks=NUMBER_TASKS
                if tasks == 6
                else [Task(f"task{number}", 11) for number in range(tasks)],
            )
            session.run(tf.global_variables_initializer())
            run = session.make_callable(
                [graph.minimize, graph.cost, graph.watched], [graph.images, *graph.labels.values()]
            )
            images = stream.integers(0, 256, [batch_size, size, size, config_lib.CHANNELS]).astype(
                np.uint8
            )
            given = [
                images,
                *[stream.integers(0, 7, batch_size).astype(np.int32) for _ in graph.labels],
            ]
            run(*given)
            started, seconds = time.perf_counter() - since, []
            for _ in range(times):
                since = time.perf_counter()
                run(*given)
                seconds.append(time.perf_counter() - since)
        return started, float(np.median(seconds))


@contextlib.contextmanager
def opened():
    """Open Steps."""
    yield Steps()


def run(rounds=3):
    """Measure and print the three tables.

    Args:
      rounds: int, how often each is measured; the median counts.
    """
    print(f"### What a step of `small` costs, fp32; medians of {rounds} rounds of 15 steps\n")
    cases = [("batch size", (batch, 6, 54), batch) for batch in BATCHES]
    cases += [("tasks", (32, count, 54), count) for count in TASKS] + [
        ("image, pixels", (32, 6, size), size) for size in SIZES
    ]
    found = {}
    for case in cases:
        with (
            turns.Player("mtl", opened) as player
        ):  # each in a process of its own, because the first session fixes the threads for all
            found[case] = [player.ask("cost", *case[1]) for _ in range(rounds)]
    for kind in dict.fromkeys(case[0] for case in cases):
        rows = []
        for case in [case for case in cases if case[0] == kind]:
            tables.record(
                "scaling", f"{kind} {case[2]}", "mtl", [1e3 * step for _, step in found[case]], "ms"
            )
            started, step = np.median(found[case], axis=0)
            rows.append(
                [str(case[2]), f"{1e3 * step:.1f}", f"{case[1][0] / step:.0f}", f"{started:.1f}"]
            )
        tables.table([kind, "ms a step", "images/s", "s to build and start"], rows)
