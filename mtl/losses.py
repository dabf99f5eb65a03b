"""The mean loss of a task, and the two sums of them that the answer speaks of."""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.objectives.log_sum import term


def mean_cross_entropy(logits, labels):
    """Return the softmax cross entropy, averaged over the batch.

    Args:
      logits: float32 [batch, classes].
      labels: float32 [batch, classes], rows of probabilities, hard (one-hot) or soft. A row of
        zeros has a loss of 0, but a gradient that lowers all logits: `labelled_cross_entropies`
        has none.

    Returns:
      float32 scalar, in nats.
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def cross_entropies(logits, labels):
    """Return the mean cross entropy of each task, dict task name -> float32 scalar.

    Args:
      logits: dict task name -> float32 [batch, classes].
      labels: dict task name -> float32 [batch, classes], rows of probabilities.
    """
    return {name: mean_cross_entropy(logits[name], labels[name]) for name in logits}


def labelled_cross_entropies(logits, labels, otherwise):
    """Return as `cross_entropies`, averaging only the examples that have a label for the task.

    This is the mask of Goodfellow et al. 2013, arXiv:1312.6082, section 3.

    Identity: where every row of labels sums to 1, it equals `cross_entropies`.

    Args:
      logits, labels: as `cross_entropies`; a row of zeros means "not labelled".
      otherwise: float, the mean of a task with no labelled example in the batch. Its gradient is 0.
    """
    means = {}
    for name in logits:
        each = tf.nn.softmax_cross_entropy_with_logits(labels=labels[name], logits=logits[name])
        # Multiplied by 0, a row of zeros has no gradient either.
        labelled = tf.cast(tf.reduce_any(labels[name] > 0.0, axis=1), tf.float32)
        total, count = tf.reduce_sum(labelled * each), tf.reduce_sum(labelled)
        means[name] = tf.where(count > 0.0, total / tf.maximum(count, 1.0), otherwise)
    return means


def log_sum(logits, labels):
    """Build the answer's cost for any tasks: the sum of log(clip(mean cross entropy)).

    For the six tasks of the answer the graph is that of answer.cost, node for node.

    Identity: `grad(log_sum) = sum over tasks of grad(cross entropy) / cross entropy`.

    Args:
      logits: dict task name -> float32 [batch, classes].
      labels: dict task name -> float32 [batch, classes], rows of probabilities.

    Returns:
      float32 scalar.
    """
    # Task by task, as the answer's lines do: only then is the graph the same, node for node.
    terms = [term(mean_cross_entropy(logits[name], labels[name])) for name in logits]
    return functools.reduce(tf.add, terms)


def linear(logits, labels):
    """Build the plain sum of the mean cross entropies. Arguments as `log_sum`.

    Identity: `grad(linear) = sum over tasks of grad(cross entropy)`.
    """
    return functools.reduce(tf.add, cross_entropies(logits, labels).values())


def smooth(classes, depth, smoothing, masked=False):
    """Turn classes into soft labels (Szegedy et al. 2015, arXiv:1512.00567, section 7).

    The cross entropy against soft labels is at least their entropy. Under log_sum this bounds the
    weight 1 / loss of every task.

    Args:
      classes: int32 [batch], each in 0 .. depth - 1; any other value ends the step with
        TensorFlow's InvalidArgumentError.
      depth: int, the number of classes.
      smoothing: float in [0, 1), the share spread evenly over all classes; 0 gives one-hot rows.
      masked: bool, whether the last class means "not labelled". Its row is all zeros, and the other
        rows give it no share.

    Returns:
      float32 [batch, depth].
    """
    known = depth - 1 if masked else depth
    hard = np.eye(known, dtype=np.float32) * np.float32(1.0 - smoothing)
    rows = hard + np.float32(smoothing / known)
    if masked:
        rows = np.pad(rows, [[0, 1], [0, 1]])
    # A lookup, because tf.one_hot turns a class out of range into a row of zeros: a loss of 0.
    return tf.gather(rows, classes, name=f"{classes.op.name}_rows")
