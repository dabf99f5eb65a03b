"""Run directories with the first weights of small networks: quick to write, and not trained."""

import dataclasses
import json
import os

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, config, model, run_files, tasks
from mtl.inputs import Inputs

STEP = 7
TEMPERATURE = 0.5  # of the run of numbers
VIEWS = 4
# Convolutions with a residual sum.
NUMBERS = run_files.Run(
    config.Config(bottom="light", window=24, crop=20, views=VIEWS),
    tasks.NUMBER_TASKS,
    Inputs((24, 24, 3), 20),
    TEMPERATURE,
)
OWN_TASKS = (
    tasks.Task("shade", 3),
    tasks.Task("tags", 2, "binary"),
    tasks.Task("height", 1, "real", mean=170.0, std=8.0),
)
_OWN = config.Config(
    bottom="mlp", tasks=tasks.text(OWN_TASKS), dataset="npz", data_dir="data", top_units="5"
)
IMAGES = run_files.Run(_OWN, OWN_TASKS, Inputs((9, 11, 1), 7))
FLOATS = run_files.Run(_OWN, OWN_TASKS, Inputs((9, 11, 3), 0, "float32"))
FEATURES = run_files.Run(
    dataclasses.replace(_OWN, dataset="table"),
    OWN_TASKS,
    Inputs((3,), 0, "float32", mean=(1.0, 2.0, 3.0), std=(1.0, 0.5, 2.0)),
)
RUNS = ("NUMBERS", "IMAGES", "FLOATS", "FEATURES")


def write(directory, run, bottom=None):
    """Write a run directory; return its path as str.

    Args:
      directory: path, created if missing.
      run: run_files.Run.
      bottom: str, the bottom of the record, such as own code; None is that of the run.
    """
    os.makedirs(directory, exist_ok=True)
    record = run_files.to_json(run)
    record["temperature"] = run.temperature
    record["config"] = dataclasses.asdict(run.config)
    record["config"]["bottom"] = bottom or run.config.bottom
    with open(os.path.join(directory, checkpoint.CONFIG), "w", encoding="utf-8") as file:
        json.dump(record, file)
    with tf.Graph().as_default(), tf.Session() as session:
        model.build(
            tf.zeros([1, *run.inputs.network_shape]),
            tasks=run.tasks,
            **model.network_settings(run.config),
        )
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(tf.global_variables())
        checkpoint.save(saver, session, str(directory), STEP)
    return str(directory)


def settings(run):
    """Return the views and the temperature that `mtl predict` uses for a run, as a dict."""
    if run.config.is_numbers:
        return {"count": run.config.views, "temperature": run.temperature}
    return {"count": 1, "temperature": 1.0}


def values(inputs, count=6):
    """Return random examples before the crop."""
    rng = np.random.default_rng(3)
    if inputs.dtype == "uint8":
        return rng.integers(0, 256, (count, *inputs.shape)).astype(np.uint8)
    return rng.random((count, *inputs.shape), np.float32)
