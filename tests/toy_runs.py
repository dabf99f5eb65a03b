"""Runs of 12 steps on a toy: images of one bright bar whose position is the number."""

import dataclasses
import itertools
import os
import shutil
import signal

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, config, tasks, train
from mtl.cli import signals
from mtl.inference import graph as inference_graph
from mtl.runs import find
from tests.run_directories import variables_of

NAMES = [task.name for task in tasks.NUMBER_TASKS]
BATCH = 6
CONFIG = config.Config(
    bottom="mlp", dropout=0.3, batch_size=BATCH, steps=12, save_every=4, log_every=1, seed=5
)


def changed(**fields):
    """Return CONFIG with some fields changed."""
    return dataclasses.replace(CONFIG, **fields)


def bars(digits):
    """Draw one image for each digit."""
    images = np.full((len(digits), config.CROP, config.CROP, 3), 60, np.uint8)
    for image, digit in zip(images, digits):
        image[5 * digit : 5 * digit + 5] = 220
    return images


def source(first_step, fail_at=None, signal_at=None):
    """Yield batches as a pure function of the step; fail or send SIGINT at a given step."""
    for step in itertools.count(first_step):
        if step == fail_at:
            raise OSError("the disk is gone")
        if step == signal_at:
            os.kill(os.getpid(), signal.SIGINT)
        digits = np.random.default_rng([7, step]).integers(10, size=BATCH)
        yield bars(digits), tasks.encode_all([str(digit) for digit in digits])


def evaluate(network):
    """Evaluate for real: the metrics change with every bit of the weights."""
    log_probs = network.log_probs(bars(range(10)))
    means = {name: float(-rows.mean(dtype=np.float64)) for name, rows in log_probs.items()}
    correct = (log_probs["digit1"].argmax(axis=1) == np.arange(10)).mean()
    return {"sequence_accuracy": float(correct), "means": means}


def evaluation_of(record):
    """Build the inference graph on the variables that exist."""
    return inference_graph.build(
        tasks=tasks.NUMBER_TASKS, bottom=record.bottom, absent=record.absent
    )


def run(model_dir, record=CONFIG, source=source, evaluate=evaluate, progress=None, records=None):
    """Run train.run; return its result and the list of what it said."""
    said = []

    def evaluator(session):
        network = evaluation_of(record).bind(session)
        return lambda: evaluate(network)

    start = None
    if record.init_from and not checkpoint.newest(str(model_dir)):
        start = find.checkpoint(record.init_from)
    with signals.Caught() as stop_signal:
        stop_signal.arm()
        result = train.run(
            record,
            str(model_dir),
            source,
            evaluator if evaluate else None,
            start=start,
            records=records,
            callbacks=train.Callbacks(said.append, progress=progress, stop=stop_signal),
        )
    return result, said


def at_step(wanted, act):
    """Return a progress callback that acts after one step, before the loop checks for signals."""

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


def patched(path, directory, **changes):
    """Write a copy of a checkpoint with some variables changed by functions; a__b names a/b."""
    values = variables_of(path)
    for name, change in changes.items():
        name = name.replace("__", "/")
        values[name] = change(values[name]).astype(values[name].dtype)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(name, initializer=tf.constant(value), use_resource=True)
            for name, value in values.items()
        }
        session.run(tf.global_variables_initializer())
        checkpoint.save(tf.train.Saver(variables), session, str(directory), 1)
