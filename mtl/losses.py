"""The mean loss of each task, soft labels, and two costs: the sum of logs and the plain sum."""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import kinds
from mtl.objectives.log_sum import term


def check(logits, labels, names=None):
    """Check that logits and labels belong to the same tasks.

    TensorFlow itself ignores the labels of other tasks, and repeats a single row of labels, or a
    single class, over the whole batch.

    Args:
      logits, labels: dict task name -> array or tensor [batch, outputs].
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
            raise ValueError(f"task {name} has {found}; both must be [batch, outputs]")


def mean_cross_entropy(logits, labels):
    """Return the softmax cross entropy, averaged over the batch.

    Args:
      logits: float32 [batch, classes].
      labels: float32 [batch, classes], probabilities, hard (one-hot) or soft. All zeros give a loss
        of 0 but a gradient that lowers every logit; `mean_losses` has no gradient.

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


def mean_losses(tasks, logits, targets, otherwise=None):
    """Return the mean loss of each task over the examples that have a label for it.

    Source: Goodfellow et al. 2013, arXiv:1312.6082, section 3: absent digits have no loss.

    Identity: equals the mean over all examples if every example is labelled for every task.

    Args:
      tasks: sequence of tasks.Task.
      logits: dict task name -> float32 [batch, outputs].
      targets: dict task name -> float32 [batch, outputs], see `targets` of mtl/kinds.
      otherwise: float, the mean of a task without a labelled example. Its gradient is 0. None means
        that every example is labelled, which needs fewer operations.

    Returns:
      dict task name -> float32 scalar.
    """
    each, known = _each(tasks, logits, targets, otherwise)
    if otherwise is None:
        return {name: tf.reduce_mean(values) for name, values in each.items()}
    return _divided(each, _sums(each, known), _counts(known), otherwise)


def whole_means(tasks, logits, targets, otherwise, total):
    """Return `mean_losses` of a batch of which this graph has a part.

    Args:
      tasks, logits, targets, otherwise: as `mean_losses`, of the part.
      total: function (list of float32 scalars of the part) -> list of those of the whole batch,
        whose gradients are those of the part.

    Returns:
      dict task name -> float32 scalar, and a function () -> bool [tasks], whether the whole batch
      has a label of each task.
    """
    each, known = _each(tasks, logits, targets, otherwise)
    if otherwise is None:
        sums = [tf.reduce_sum(values) for values in each.values()]
        size = tf.cast(tf.size(next(iter(each.values()))), tf.float32)
        *sums, size = total([*sums, size])
        return {name: value / size for name, value in zip(each, sums)}, None
    sums, counts = list(_sums(each, known)), tf.unstack(_counts(known))
    found = total([*sums, *counts])
    counts = tf.stack(found[len(sums) :])
    return _divided(each, found, counts, otherwise), lambda: counts > 0.0


def labelled(tasks, targets):
    """Return whether the batch has a label of each task, bool [tasks]; arguments: `mean_losses`."""
    known = [kinds.find(task.kind).labelled(targets[task.name]) for task in tasks]
    return tf.stack([tf.reduce_any(each) for each in known])


def _each(tasks, logits, targets, otherwise):
    """Return the loss of each example and whether it is known, dicts task name -> [batch]."""
    check(logits, targets)
    each, known = {}, {}
    for task in tasks:
        kind = kinds.find(task.kind)
        each[task.name] = kind.losses(logits[task.name], targets[task.name])
        if otherwise is not None:
            known[task.name] = kind.labelled(targets[task.name])
    return each, known


def _counts(known):
    """Return the number of examples for which each task is known, float32 [tasks]."""
    # Counted for all tasks at once: with 200 tasks, that saves seconds of building the graph.
    return tf.reduce_sum(tf.cast(tf.stack(list(known.values())), tf.float32), axis=1)


def _sums(each, known):
    """Yield the sum of the known losses of each task, a float32 scalar."""
    zeros = tf.zeros_like(next(iter(each.values())))
    for name, values in each.items():
        # An example without a label has loss 0 and no gradient, even if its loss is not finite.
        yield tf.reduce_sum(tf.where(known[name], values, zeros))


def _divided(names, sums, counts, otherwise):
    """Return the mean loss of each task; `otherwise` where the count is 0."""
    divisors = tf.unstack(tf.maximum(counts, 1.0))
    added = tf.unstack(otherwise * tf.cast(tf.equal(counts, 0.0), tf.float32))
    parts = zip(names, sums, divisors, added)
    return {name: total / divisor + constant for name, total, divisor, constant in parts}


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


def smooth(classes, depth, smoothing, masked=False, complete=True):
    """Turn classes into soft labels (Szegedy et al. 2015, arXiv:1512.00567, section 7).

    The cross entropy against soft labels is at least their entropy. Under log_sum this bounds the
    weight 1 / loss of every task.

    Args:
      classes: int32 [batch], in 0 .. depth - 1, or -1 for "not labelled" unless complete;
        TensorFlow raises InvalidArgumentError for any other value on a CPU.
      depth: int, the number of classes.
      smoothing: float in [0, 1), the share spread evenly over all classes; 0 gives one-hot labels.
      masked: bool, whether the last class means "not labelled" too. The labels of the other classes
        give it no share.
      complete: bool, whether no class is -1, which needs fewer operations.

    Returns:
      float32 [batch, depth]; all zeros where not labelled.
    """
    known = depth - 1 if masked else depth
    hard = np.eye(known, dtype=np.float32) * np.float32(1.0 - smoothing)
    rows = hard + np.float32(smoothing / known)
    rows = np.pad(rows, [[int(not complete), depth - known], [0, depth - known]])
    name = f"{classes.op.name}_rows"
    if not complete:
        classes += 1  # the first row is that of -1
    # Not tf.one_hot: it turns a class out of range into zeros, and so into a loss of 0.
    return tf.gather(rows, classes, name=name)
