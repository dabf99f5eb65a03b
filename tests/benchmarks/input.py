"""The cost of input: training from a stream, compared with training from arrays in memory."""

import contextlib
import dataclasses
import tempfile
import threading
import time
from unittest import mock

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, machine, train
from mtl.data import augment, batches, registry
from mtl.data.drawn import synthetic
from tests.benchmarks import mtl_trainer, tables, turns

TITLE = "Input: the synthetic stream and arrays in memory"


def run(arguments):
    """Compare the synthetic stream with arrays."""
    # As in flags/log_sum.flags.
    config = config_lib.Config(bottom="small", pool=4096, reuse=8, batch_size=32, warmup_steps=0)
    measure(config, arguments.rounds)


def streamed(config, steps):
    """Open the side that trains on the source of a run."""
    # An idle stream holds images that are drawn ahead. Untimed steps before each turn use them up.
    return mtl_trainer.fed(config, registry.opened(config).source, lead_in=steps)


def in_memory(config):
    """Open the side that trains on arrays, loaded or drawn before the clock starts."""
    if config.dataset == "synthetic":
        drawing = {"difficulty": config.difficulty, "seed": config.seed, "workers": config.workers}
        examples = synthetic.load("", "train", count=config.pool, **drawing)
    else:
        examples = registry.load(config.dataset, config.data_dir, "train")
    crops = augment.crops(config.augment)
    source = batches.from_arrays(examples, config.batch_size, config.seed, crops)
    return mtl_trainer.fed(config, source)


class TimedCall:
    """A callable of a session that records when it ran in the main thread."""

    def __init__(self, run, times):
        self._run = run
        self._times = times

    def __call__(self, *values):
        # Another thread reads records ahead of the loop, in a session of its own.
        if threading.current_thread() is not threading.main_thread():
            return self._run(*values)
        since = time.perf_counter()
        try:
            return self._run(*values)
        finally:
            self._times.append((since, time.perf_counter()))


@contextlib.contextmanager
def timed_calls():
    """Time the callables of all sessions in the block; yield a list of (start, end)."""
    times = []
    original = tf.Session.make_callable

    def make_callable(session, *arguments, **named):
        return TimedCall(original(session, *arguments, **named), times)

    with mock.patch.object(tf.Session, "make_callable", make_callable):
        yield times


class Loop:
    """The loop of `mtl train`, with all its checks."""

    def outside(self, config, steps=300, warm=20):
        """Return the share of the time of a step that is spent outside the session."""
        long = dataclasses.replace(config, steps=steps, save_every=steps)
        quiet = train.Callbacks(say=str)
        with tempfile.TemporaryDirectory() as folder, timed_calls() as times:
            train.run(long, folder, registry.opened(long).source, None, callbacks=quiet)
        del times[:warm]
        inside = sum(end - since for since, end in times)
        return 1.0 - inside / (times[-1][1] - times[0][0])


@contextlib.contextmanager
def loop():
    """Open a Loop."""
    yield Loop()


def measure(config, rounds):
    """Time the source of a run and arrays in turns; print the rates and the memory of both.

    Args:
      config: Config of the dataset synthetic or records.
      rounds: int.
    """
    # Two rounds of the pool are as many blocks as the stream draws ahead.
    steps = 2 * config.pool // config.batch_size
    name = "stream" if config.dataset == "synthetic" else config.dataset
    case = f"{name} {config.bottom} {config.precision}"
    print(
        f"`{config.bottom}` in {config.precision}, {steps} steps of {config.batch_size} images "
        f"a round, {rounds} rounds in turns after one of warm-up;\n{_how(config)}.\n"
    )
    with (
        turns.Player(name, streamed, config, steps) as stream,
        turns.Player("arrays", in_memory, config) as arrays,
    ):
        seconds = turns.alternate([stream, arrays], rounds, "turn", steps)
        peaks = {player.name: _peaks(player) for player in (stream, arrays)}
    extra = ("peak memory, MB", peaks)
    tables.rates("input", case, seconds, steps * config.batch_size, extra)
    kept = np.median(np.array(seconds["arrays"]) / np.array(seconds[name]))
    with turns.Player("loop", loop) as player:
        outside = player.ask("outside", config)
    tables.record("outside", case, "mtl", [100 * outside], "%")
    print(
        f"The loop of `mtl train` spends {outside:.2%} of its time outside the session, "
        "including the wait for batches."
    )
    print(
        f"With {name}, training keeps {kept:.1%} of the rate of arrays (median of rounds).\n",
        flush=True,
    )


def _how(config):
    """Return how the images are made, in words."""
    cores = config.workers or machine.cores()
    if config.dataset == "synthetic":
        return f"pool {config.pool}, each image used {config.reuse} times, {cores} processes draw"
    return f"--augment={config.augment}, {cores} threads decode"


def _peaks(player):
    own, others = player.peak_memory()
    return " + ".join(f"{peak:.0f}" for peak in [own, *others])
