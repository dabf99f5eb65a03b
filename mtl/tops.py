"""The tops: the layers of one task, from the shared features to its logits.

The answer has a single dense layer for each task. --top_units adds hidden layers before it.
"""

import tensorflow.compat.v1 as tf

from mtl import layers
from mtl.tasks import masked

# Added to a logit, -1e9 makes its probability and gradient exactly 0; -inf would give NaN.
IMPOSSIBLE = -1e9


def hidden(features, task, units, *, dropout=0.0, seed, step=None):
    """Build the hidden layers of a task: dense layers of ReLUs, each followed by dropout.

    Args:
      features: float32 [batch, features].
      task: tasks.Task; the layers are TASK/dense1, TASK/dense2, ...
      units: sequence of int, the size of each layer.
      dropout: float in [0, 1), the share of values set to 0.
      seed: int, the seed of the run.
      step: int64 scalar tensor, or None without dropout.

    Returns:
      dict scope -> float32 [batch, units], in order; empty without units.
    """
    ends, x = {}, features
    for number, size in enumerate(units, start=1):
        scope = f"{task.name}/dense{number}"
        x = tf.nn.relu(layers.dense(x, scope, size, seed=seed))
        x = layers.dropout(x, f"{task.name}/dropout{number}", dropout, seed=seed, step=step)
        ends[scope] = x
    return ends


def dense(features, task, *, seed, absent="x"):
    """Build the dense layer that gives the logits of a task.

    Args:
      features: float32 [batch, features], shared or of the last hidden layer of the task.
      task: tasks.Task; its name is the variable scope.
      seed: int, the seed of the run.
      absent: str, one of config.choices("absent"); "mask" makes the class X of a digit impossible.

    Returns:
      float32 [batch, task.outputs].
    """
    logits = layers.dense(features, task.name, task.outputs, seed=seed, gain=1.0)
    if masked(task, absent):
        logits += tf.constant([0.0] * (task.outputs - 1) + [IMPOSSIBLE])
    return logits
