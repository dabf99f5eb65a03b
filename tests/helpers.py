"""Helpers of several tests: the loss in NumPy, random batches, graphs, files and errors."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import catalogue, objectives
from mtl.config import BOTTOMS, Config
from mtl.inputs import NUMBERS
from mtl.tasks import NUMBER_TASKS, Task

THREE_TASKS = (Task("colour", 3), Task("shape", 7), Task("size", 5))
CROPPED = NUMBERS.network_shape  # height, width and channels of the images of numbers
IMAGE_SIZE = (21, 13, 3)  # small, odd and distinct: a test that swaps two axes fails

# For parametrize: the smallest bottom and the default are quick to build.
EACH_BOTTOM = [
    pytest.param(name, marks=[] if name in ("mlp", Config().bottom) else [pytest.mark.slow])
    for name in BOTTOMS
]


def softmax(logits):
    """Return the softmax over the last axis, in float64."""
    powers = np.exp(np.float64(logits) - np.max(np.float64(logits), axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def mean_cross_entropy(logits, labels):
    """Return the mean over the batch of -sum(label * log softmax(logit)), in float64."""
    logits = np.float64(logits)
    largest = logits.max(axis=-1, keepdims=True)
    log_probs = logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))
    return -(np.float64(labels) * log_probs).sum(axis=-1).mean()


def random_batch(rng, batch, tasks=NUMBER_TASKS):
    """Draw a batch with random or nearly correct logits, and with hard or soft labels.

    The margin of a correct logit is at most 4. With larger margins the cross entropy is so close to
    0 that rounding in float32 decides its value.

    Returns:
      two dicts task name -> float32 [batch, classes]: logits, and labels as probabilities.
    """
    logits, labels = {}, {}
    near = rng.random() < 0.5
    for task in tasks:
        hard = np.eye(task.outputs)[rng.integers(task.outputs, size=batch)]
        share = rng.choice([0.0, 0.1, 0.7])
        soft = rng.dirichlet(np.ones(task.outputs), size=batch)
        labels[task.name] = np.float32((1 - share) * hard + share * soft)
        noise = rng.normal(size=hard.shape) * 10 ** rng.uniform(-2, 1)
        logits[task.name] = np.float32(0.1 * noise + rng.uniform(0, 4) * hard if near else noise)
    return logits, labels


def placeholders(tasks=NUMBER_TASKS):
    """Return two dicts task name -> float32 placeholder [batch, classes]: logits and labels."""
    logits, labels = {}, {}
    for task in tasks:
        shape = [None, task.outputs]
        logits[task.name] = tf.placeholder(tf.float32, shape, f"logits_{task.name}")
        labels[task.name] = tf.placeholder(tf.float32, shape, f"labels_{task.name}")
    return logits, labels


def image_placeholder(size=IMAGE_SIZE):
    """Return a float32 placeholder [batch, height, width, channels]."""
    return tf.placeholder(tf.float32, [None, *size], "images")


def random_images(count, seed=1):
    """Return images of IMAGE_SIZE, float32 in 0..1."""
    return np.random.default_rng(seed).random([count, *IMAGE_SIZE], np.float32)


def value_of(objective, **fields):
    """Return the cost of an objective as a function of mean losses; fields: of Config."""
    return objectives.value_of(Config(objective=objective, **fields))


def problem(means, objective="linear", **fields):
    """Return an objectives.Problem of mean losses, with the settings of an objective.

    Args:
      means: dict task name -> float or float32 scalar tensor.
      objective: str.
      fields: of objectives.Problem; of objectives.Settings; other names are options.
    """
    of_problem = {name: fields.pop(name) for name in objectives.Problem._fields if name in fields}
    known = {name: fields.pop(name) for name in objectives.Settings._fields if name in fields}
    options = {} if ":" in objective else dict(catalogue.options(objective, ""))
    assert fields.keys() <= options.keys()
    known["options"] = {**options, **fields}
    means = {name: tf.convert_to_tensor(mean, tf.float32) for name, mean in means.items()}
    return objectives.Problem(means, **of_problem, settings=objectives.Settings(**known))


def feed(*pairs):
    """Join (dict of placeholders, dict of values) pairs into one feed_dict."""
    return {tensors[name]: values[name] for tensors, values in pairs for name in tensors}


def run_graph(build, feed=None):
    """Call build() in a new graph, initialise the variables and return the values it fetches."""
    with tf.Graph().as_default(), tf.Session() as session:
        fetches = build()
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feed)


def touch(path):
    """Create an empty file and its folders."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8"):
        pass


def one_line(error, *parts):
    """Return the message of a caught exception. Assert that it is one line with all parts."""
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message
    return message
