"""Training runs of 12 steps on a toy: images of one bright bar, whose position is the digit."""

import dataclasses
import itertools
import os
import shutil
import signal

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import bottoms, checkpoint, config, model, tasks, train
from mtl.cli import signals
from mtl.inference import graph as inference_graph
from mtl.inputs import NUMBERS
from mtl.runs import find
from tests.run_directories import variables_of

NAMES = [task.name for task in tasks.NUMBER_TASKS]
BATCH = 6
CONFIG = config.Config(
    bottom="mlp",
    dropout=0.3,
    batch_size=BATCH,
    learning_rate=2e-3,
    warmup_steps=0,
    steps=12,
    save_every=4,
    log_every=1,
    seed=5,
)

_mlp, _small = bottoms.mlp, bottoms.small


def coarse_mlp(images, **settings):
    """Build the bottom mlp on every fifth pixel, so that checkpoints have only 1 MB."""
    return _mlp(images[:, ::5, ::5], **settings)


def coarse_small(images, **settings):
    """Build the bottom small on every third pixel."""
    return _small(images[:, ::3, ::3], **settings)


def changed(**fields):
    """Return CONFIG with some fields changed."""
    return dataclasses.replace(CONFIG, **fields)


def bars(digits):
    """Draw one image for each digit."""
    images = np.full((len(digits), *NUMBERS.network_shape), 60, np.uint8)
    for image, digit in zip(images, digits):
        image[5 * digit : 5 * digit + 5] = 220
    return images


def source(first_step, fail_at=None, error=None, signal_at=None):
    """Yield batches, each a pure function of its step.

    Args:
      first_step: int, the number of steps done.
      fail_at: int, the number of steps after which the source raises `error`.
      error: exception.
      signal_at: int, the number of steps after which the source sends SIGINT.
    """
    for step in itertools.count(first_step):
        if step == fail_at:
            raise error
        if step == signal_at:
            os.kill(os.getpid(), signal.SIGINT)
        digits = np.random.default_rng([7, step]).integers(10, size=BATCH)
        yield bars(digits), tasks.encode_all([str(digit) for digit in digits])


def evaluate(network):
    """Evaluate the ten digits. The metrics depend on every bit of the weights."""
    log_probs = network.outputs(bars(range(10)))
    means = {name: float(-rows.mean(dtype=np.float64)) for name, rows in log_probs.items()}
    correct = log_probs["digit1"].argmax(axis=1) == np.arange(10)
    return {"sequence_accuracy": float(correct.mean()), "means": means}


def inference_of(record):
    """Build the inference graph of a Config on the variables that exist."""
    return inference_graph.build(
        tasks=tasks.NUMBER_TASKS, **model.network_settings(record)
    )


def run(model_dir, record=CONFIG, source=source, evaluate=evaluate, progress=None, records=None):
    """Call train.run as `mtl train` does; return its result and the list of its messages.

    Args:
      model_dir: path of the run directory.
      record: config.Config.
      source, progress, records: as train.run and train.Callbacks.
      evaluate: function inference.graph.Bound -> dict of metrics, or None for no evaluations.
    """
    messages = []

    def evaluator(session):
        network = inference_of(record).bind(session)
        return lambda: evaluate(network)

    start = None if checkpoint.newest(str(model_dir)) else find.start(record)
    with signals.Caught() as stop_signal:
        stop_signal.arm()
        result = train.run(
            record,
            str(model_dir),
            source,
            evaluator if evaluate else None,
            start=start,
            records=records,
            callbacks=train.Callbacks(messages.append, progress=progress, stop=stop_signal),
        )
    return result, messages


def at_step(wanted, act):
    """Return a progress callback that calls act() after one step."""

    def progress(step, *outcome):
        if step == wanted:
            act()

    return progress


def stop():
    """Send SIGTERM to this process."""
    signal.raise_signal(signal.SIGTERM)


def copy_at_step_8(reference, directory):
    """Copy a finished run without its checkpoint of step 12, as after a kill before its save."""
    shutil.copytree(reference, directory, dirs_exist_ok=True)
    for path in directory.glob("model.ckpt-12.*"):
        path.unlink()


def copy_with_bias(path, directory, task, index, value):
    """Write a copy of a checkpoint in which one bias of the top of a task has another value."""
    values = variables_of(path)
    values[f"{task}/b"][index] = value
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {}
        for name, array in values.items():
            variables[name] = tf.get_variable(name, initializer=array, use_resource=True)
        session.run(tf.global_variables_initializer())
        checkpoint.save(tf.train.Saver(variables), session, str(directory), 1)
