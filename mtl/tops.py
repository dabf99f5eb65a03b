"""The tops: one dense layer for each task, from the shared features to its logits."""

import tensorflow.compat.v1 as tf

from mtl import layers
from mtl.tasks import masked

# Added to a logit, -1e9 makes its probability and gradient exactly 0; -inf would give NaN.
IMPOSSIBLE = -1e9


def dense(features, task, *, seed, absent="x"):
    """Build a dense layer from the features to the logits of a task.

    Args:
      features: float32 [batch, features].
      task: tasks.Task; its name is the variable scope.
      seed: int, the seed of the run.
      absent: str, one of config.choices("absent"); "mask" makes the class X of a digit impossible.

    Returns:
      float32 [batch, classes].
    """
    logits = layers.dense(features, task.name, task.classes, seed=seed, gain=1.0)
    if masked(task, absent):
        logits += tf.constant([0.0] * (task.classes - 1) + [IMPOSSIBLE])
    return logits
