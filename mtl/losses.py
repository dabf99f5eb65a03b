"""The answer's cost for any list of tasks, and the plain sum that its text speaks of.

An objective takes two dicts, logits and labels, both task name -> float32 [batch, classes], labels as rows of probabilities, and returns
a float32 scalar. Each rests on a function of the mean cross entropies alone (`sum_of_logs`, `plain_sum`), so that an evaluation can
put those of a whole data set through the same formula.
"""

import functools

import numpy as np
import tensorflow.compat.v1 as tf

# The answer's constants. Below the floor the logarithm stays at ln(1e-37) = -85.2 and the gradient is 0; both lie outside float16.
CLIP_FLOOR, CLIP_CEILING = 1e-37, 1e37


def mean_cross_entropy(logits, labels):
    """Average the softmax cross entropy over the batch.

    Args:
      logits: float32 [batch, classes].
      labels: float32 [batch, classes], rows of probabilities: hard (one-hot) or soft. A row of zeros counts as a perfect answer and
        still pushes all logits down: see `smooth`.

    Returns:
      float32 scalar, in nats.
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def cross_entropies(logits, labels):
    """Return the raw mean cross entropy of each task, dict task name -> float32 scalar: what the run watches, beside the cost."""
    return {name: mean_cross_entropy(logits[name], labels[name]) for name in logits}


def labelled_cross_entropies(logits, labels, otherwise):
    """Return as `cross_entropies` does, each mean over the examples that have a label for its task: the paper's mask (section 3).

    Note: where every row of labels sums to 1, `labelled_cross_entropies = cross_entropies`.

    Args:
      logits, labels: as `log_sum`; a row of zeros is no label.
      otherwise: float, the mean of a task without any label in the batch; it has no gradient.
    """
    means = {}
    for name in logits:
        present = tf.cast(
            tf.reduce_any(labels[name] > 0.0, axis=1), tf.float32
        )  # without it a row of zeros pushes all logits down
        total = tf.reduce_sum(
            present
            * tf.nn.softmax_cross_entropy_with_logits(labels=labels[name], logits=logits[name])
        )
        count = tf.reduce_sum(present)
        means[name] = tf.where(count > 0.0, total / tf.maximum(count, 1.0), otherwise)
    return means


def sum_of_logs(means):
    """Add up log(clip(mean, 1e-37, 1e37)) of an iterable of float32 scalars by a chain of tf.add; float32 scalar.

    The iterable is read one by one: where a mean is built on demand, its operations come in the order in which the answer writes them.
    """
    logs = [tf.log(tf.clip_by_value(mean, CLIP_FLOOR, CLIP_CEILING)) for mean in means]
    return functools.reduce(tf.add, logs)


def plain_sum(means):
    """Add up the means (iterable of float32 scalars) by a chain of tf.add; float32 scalar."""
    return functools.reduce(tf.add, list(means))


def log_sum(logits, labels):
    """Build the answer's cost for any tasks: the sum of log(clip(mean cross entropy)).

    For the six tasks of the answer this is answer.cost, node for node. It is the logarithm of the product of the losses, so its descent
    direction is that of their geometric mean (GLS, Chennupati et al. 2019, arXiv:1904.08492, section 3).

    Note: `grad(log_sum) = sum over tasks of grad(cross entropy) / cross entropy`.

    Args:
      logits: dict task name -> float32 [batch, classes].
      labels: dict task name -> float32 [batch, classes], rows of probabilities.

    Returns:
      float32 scalar.
    """
    return sum_of_logs(mean_cross_entropy(logits[name], labels[name]) for name in logits)


def linear(logits, labels):
    """Build the plain sum of the mean cross entropies, which the answer's text speaks of and the paper minimises (section 3).

    Note: `grad(linear) = sum over tasks of grad(cross entropy)`: every task weighs 1, solved or not. Arguments as `log_sum`.
    """
    return plain_sum(mean_cross_entropy(logits[name], labels[name]) for name in logits)


def smooth(classes, depth, smoothing, masked=False):
    """Turn classes into rows of probabilities, softened by a share spread evenly (Szegedy et al. 2015, arXiv:1512.00567, section 7).

    Soft rows bound the cross entropy from below by their own entropy, so under log_sum no task's weight 1 / loss can run away.

    Args:
      classes: int32 [batch], each in 0 .. depth - 1; another ends the step with TensorFlow's InvalidArgumentError.
      depth: int, the number of classes.
      smoothing: float in [0, 1); 0 gives one-hot rows.
      masked: bool, whether the last class means "no label": its rows are of zeros, and the other rows hold nothing of it.

    Returns:
      float32 [batch, depth].
    """
    known = depth - masked
    rows = np.eye(known, dtype=np.float32) * np.float32(1.0 - smoothing) + np.float32(
        smoothing / known
    )
    # Looked up, a class out of range is an error; tf.one_hot makes a row of zeros of it, which counts as a perfect answer.
    return tf.gather(np.pad(rows, [[0, int(masked)]] * 2), classes, name=f"{classes.op.name}_rows")


OBJECTIVES = {"log_sum": log_sum, "linear": linear}
OBJECTIVES_OF_MEANS = {"log_sum": sum_of_logs, "linear": plain_sum}
NEUTRAL = {
    "log_sum": 1.0,
    "linear": 0.0,
}  # the mean cross entropy that adds 0 to the cost: of a task without labels
