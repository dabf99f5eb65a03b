"""The mean loss of each task, soft labels, and two costs: the sum of logs and the plain sum."""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.objectives.log_sum import term


def check(logits, labels, names=None):
    """Check that logits and labels belong to the same tasks.

    TensorFlow itself ignores the labels of other tasks, and repeats a single row of labels, or a
    single class, over the whole batch.

    Args:
      logits, labels: dict task name -> array or tensor [batch, classes].
      names: list of str, the only tasks allowed, or None for any.

    Raises:
      ValueError: the dicts are empty or have different keys, or the shapes of a task differ.
    """
    wanted = set(names or logits)
    if not logits or set(logits) != wanted or set(labels) != wanted:
        found = f"got logits of {list(logits)} and labels of {list(labels)}"
        cure = f"exactly the tasks {list(names)}" if names else "the same tasks, at least one"
        raise ValueError(f"{found}; give both for {cure}")
    for name in logits:
        shapes = [tf.TensorShape(each[name].shape) for each in (logits, labels)]
        if not shapes[0].with_rank(2).is_compatible_with(shapes[1]):
            found = f"logits {shapes[0]} and labels {shapes[1]}"
            raise ValueError(f"task {name} has {found}; both must be [batch, classes]")


def mean_cross_entropy(logits, labels):
    """Return the softmax cross entropy, averaged over the batch.

    Args:
      logits: float32 [batch, classes].
      labels: float32 [batch, classes], probabilities, hard (one-hot) or soft. All zeros give a loss
        of 0 but a gradient that lowers every logit; `labelled_cross_entropies` has no gradient.

    Returns:
      float32 scalar, in nats.
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def cross_entropies(logits, labels):
    """Return the mean cross entropy of each task, dict task name -> float32 scalar.

    Args:
      logits: dict task name -> float32 [batch, classes].
      labels: dict task name -> float32 [batch, classes], probabilities.

    Raises:
      ValueError: see `check`. The other functions that take dicts raise it too.
    """
    check(logits, labels)
    return {name: mean_cross_entropy(logits[name], labels[name]) for name in logits}


def labelled_cross_entropies(logits, labels, otherwise):
    """Return the mean cross entropy of each task over the examples that have a label for it.

    Source: Goodfellow et al. 2013, arXiv:1312.6082, section 3: absent digits have no loss.

    Identity: equals `cross_entropies` if every example is labelled for every task.

    Args:
      logits, labels: as `cross_entropies`; labels of all zeros mean "not labelled".
      otherwise: float, the mean of a task without a labelled example. Its gradient is 0.
    """
    check(logits, labels)
    means = {}
    for name in logits:
        each = tf.nn.softmax_cross_entropy_with_logits(labels=labels[name], logits=logits[name])
        # Multiplying by 0 also removes the gradient of an example without a label.
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
      labels: dict task name -> float32 [batch, classes], probabilities.

    Returns:
      float32 scalar.
    """
    check(logits, labels)
    # One task at a time, as in the answer: another order would give another graph.
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
      classes: int32 [batch], in 0 .. depth - 1; TensorFlow raises InvalidArgumentError for any
        other value on a CPU.
      depth: int, the number of classes.
      smoothing: float in [0, 1), the share spread evenly over all classes; 0 gives one-hot labels.
      masked: bool, whether the last class means "not labelled". Its labels are all zeros, and the
        labels of the other classes give it no share.

    Returns:
      float32 [batch, depth].
    """
    known = depth - 1 if masked else depth
    hard = np.eye(known, dtype=np.float32) * np.float32(1.0 - smoothing)
    rows = hard + np.float32(smoothing / known)
    if masked:
        rows = np.pad(rows, [[0, 1], [0, 1]])
    # Not tf.one_hot: it turns a class out of range into zeros, and so into a loss of 0.
    return tf.gather(rows, classes, name=f"{classes.op.name}_rows")
