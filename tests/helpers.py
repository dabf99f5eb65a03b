"""Helpers of several tests: the loss in NumPy, random batches, placeholders, one-line errors."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.tasks import NUMBER_TASKS

IMAGE_SIZE = (21, 13, 3)  # small, odd and distinct: a test that swaps two axes fails


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
    """Draw a batch: logits random or nearly correct, labels hard or soft.

    The margin of a correct logit is at most 4. Beyond that, rounding in float32 dominates a cross
    entropy near 0, and a comparison with a formula proves nothing.

    Returns:
      two dicts task name -> float32 [batch, classes]: logits, and labels as rows of probabilities.
    """
    logits, labels = {}, {}
    near = rng.random() < 0.5
    for task in tasks:
        hard = np.eye(task.classes)[rng.integers(task.classes, size=batch)]
        share = rng.choice([0.0, 0.1, 0.7])
        labels[task.name] = np.float32(
            (1 - share) * hard + share * rng.dirichlet(np.ones(task.classes), size=batch)
        )
        noise = rng.normal(size=hard.shape) * 10 ** rng.uniform(-2, 1)
        logits[task.name] = np.float32(0.1 * noise + rng.uniform(0, 4) * hard if near else noise)
    return logits, labels


def placeholders(tasks=NUMBER_TASKS):
    """Return two dicts task name -> float32 placeholder [batch, classes]: logits and labels."""
    logits = {
        task.name: tf.placeholder(tf.float32, [None, task.classes], f"logits_{task.name}")
        for task in tasks
    }
    labels = {
        task.name: tf.placeholder(tf.float32, [None, task.classes], f"labels_{task.name}")
        for task in tasks
    }
    return logits, labels


def image_placeholder(size=IMAGE_SIZE):
    """Return a float32 placeholder [batch, height, width, channels]."""
    return tf.placeholder(tf.float32, [None, *size], "images")


def random_images(count, seed=1):
    """Return images of IMAGE_SIZE, float32 in 0..1."""
    return np.random.default_rng(seed).random([count, *IMAGE_SIZE], np.float32)


def feed(*pairs):
    """Join (dict of placeholders, dict of values) pairs into one feed_dict."""
    return {tensors[name]: values[name] for tensors, values in pairs for name in tensors}


def run_graph(build, feed=None):
    """Return the value of what build() returns, in a new graph with its variables initialised."""
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
    """Return the message of a caught exception, which must be one line that contains all parts."""
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message
    return message
