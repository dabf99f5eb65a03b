"""What drawing or reading images costs: the training step fed by the synthetic stream or by records, against the step fed from memory."""

import contextlib
import dataclasses
import functools
import os
import tempfile
import threading
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, train
from mtl.data import augment, batches, registry
from mtl.data.drawn import synthetic
from tests.benchmarks import mtl_trainer, tables, turns


def streamed(config, steps):
    """Open the side that trains on what a run of this config would train on."""
    # At rest the stream holds images made ahead. Untimed steps before each turn use them up, so that the steady state is timed.
    return mtl_trainer.fed(config, registry.source(config), lead_in=steps)


def in_memory(config):
    """Open the side that trains on as many images as the stream holds at a time, or the records hold, made before the clock starts."""
    if config.dataset == "synthetic":
        examples = synthetic.load(
            "",
            "train",
            count=config.pool,
            difficulty=config.difficulty,
            seed=config.seed,
            workers=config.workers,
        )
    else:
        examples = registry.load(config.dataset, config.data_dir, "train")
    crops = (
        functools.partial(augment.changed_crops, strength=config.augment)
        if config.augment
        else batches.random_crops
    )
    return mtl_trainer.fed(
        config, batches.from_arrays(examples, config.batch_size, config.seed, crops)
    )


class Loop:
    """The loop of train.run itself, guards and all."""

    def outside(self, config, steps=300, warm=20):
        """Return the share of the time from one step to the next that is spent outside of the session."""
        spent, make_callable = [], tf.Session.make_callable

        def timed(session, *arguments, **others):
            run = make_callable(session, *arguments, **others)

            def call(*values):
                if threading.current_thread() is not threading.main_thread():
                    return run(*values)  # the session that reads records, ahead of the loop
                since = time.perf_counter()
                try:
                    return run(*values)
                finally:
                    spent.append((since, time.perf_counter()))

            return call

        tf.Session.make_callable = timed
        with tempfile.TemporaryDirectory() as folder:
            long = dataclasses.replace(config, steps=steps, save_every=steps)
            train.run(long, folder, registry.source(long), None, callbacks=train.Callbacks(say=str))
        tf.Session.make_callable = make_callable
        spent = spent[warm:]
        return 1.0 - sum(end - since for since, end in spent) / (spent[-1][1] - spent[0][0])


@contextlib.contextmanager
def loop():
    """Open a Loop."""
    yield Loop()


def run(rounds=7, steps=None, config=None):
    """Time both in turns, print the table and the memory each takes.

    Args:
      rounds: int.
      steps: int, of a round; None is two rounds of the pool: as many blocks as the stream draws ahead.
      config: config.Config of the data set synthetic or records, or None for the defaults.
    """
    config = config or config_lib.Config()
    steps = steps or 2 * config.pool // config.batch_size
    name = "stream" if config.dataset == "synthetic" else config.dataset
    print(
        f"### Input: {'the synthetic stream' if name == 'stream' else name} against arrays in memory\n"
    )
    print(
        f"`{config.bottom}` in {config.precision}, {steps} steps of {config.batch_size} images a round, {rounds} rounds,"
    )
    cores = config.workers or os.cpu_count()
    made = f"pool {config.pool}, each image used {config.reuse} times, drawn by {cores} processes"
    read = f"--augment={config.augment}, decoded by {cores} threads"
    print(f"in turns after one round of warm-up; {made if name == 'stream' else read}.\n")
    with (
        turns.Player(name, streamed, config, steps) as stream,
        turns.Player("arrays", in_memory, config) as arrays,
    ):
        seconds = turns.alternate([stream, arrays], rounds, "turn", steps)
        peaks = {}
        for player in (stream, arrays):
            own, others = player.peak_memory()
            peaks[player.name] = " + ".join(f"{peak:.0f}" for peak in [own, *others])
    tables.rates(
        "input",
        f"{name} {config.bottom} {config.precision}",
        seconds,
        steps * config.batch_size,
        ("peak memory, MB", peaks),
    )
    kept = np.median(np.array(seconds["arrays"]) / np.array(seconds[name]))
    with turns.Player("loop", loop) as player:
        outside = player.ask("outside", config)
    tables.record(
        "outside", f"{name} {config.bottom} {config.precision}", "mtl", [100 * outside], "%"
    )
    print(
        f"Of the time of the loop of `mtl train`, {outside:.2%} is spent outside of the session, the wait for the next batch included."
    )
    print(
        f"Fed by {name}, training keeps {kept:.1%} of the rate of arrays (median of rounds).\n",
        flush=True,
    )
