"""The answer, line by line.

Adapted from the answer by xtt to thetna's question "Multitask deep learning with Tensorflow" on Stack Overflow (2016),
CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/). This file is under the same licence. Changes:

  1. `softmax_cross_entropy_with_logits` is called with named arguments. The answer passes (logits, labels) by position, the order of
     TensorFlow 0.x. TensorFlow 1.x refused positions; today's compat.v1 accepts them in the order (labels, logits), so the answer's
     own call still runs, with its arguments swapped and a wrong result.
  2. `cL`, the first term of the sum, is defined nowhere in the answer. The loss of the length is meant: `loss_length`.
  3. lossLength, lossDigit1, ... are written loss_length, loss_digit1, ...; logits and labels come in as dicts keyed by task.
  4. The lines that make the optimiser stand in graph.py, which says the same: AdamOptimizer(learning_rate).minimize(cost).
  5. The first line checks that logits and labels belong to the six tasks.
"""

import tensorflow.compat.v1 as tf

from mtl import losses
from mtl.tasks import NUMBER_TASKS


def cost(logits, labels):
    """Build the answer's cost: the sum over six tasks of log(clip(mean cross entropy, 1e-37, 1e37)).

    The text around the answer's lines says "add up all the cross entropy loss"; the lines add up the LOGS of them. So the cost is
    negative as soon as the cross entropies are small, and each task's gradient is divided by its own loss.

    Args:
      logits: dict task name -> float32 [batch, classes], for length, digit1 .. digit5.
      labels: dict task name -> float32 [batch, classes], rows of probabilities.

    Returns:
      float32 scalar.

    Raises:
      ValueError: a dict lacks one of the six tasks or has another one, or the shapes of a task differ.
    """
    losses.check(logits, labels, [task.name for task in NUMBER_TASKS])
    loss_length = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels["length"], logits=logits["length"])), 1e-37, 1e+37))
    loss_digit1 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels["digit1"], logits=logits["digit1"])), 1e-37, 1e+37))
    loss_digit2 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels["digit2"], logits=logits["digit2"])), 1e-37, 1e+37))
    loss_digit3 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels["digit3"], logits=logits["digit3"])), 1e-37, 1e+37))
    loss_digit4 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels["digit4"], logits=logits["digit4"])), 1e-37, 1e+37))
    loss_digit5 = tf.log(tf.clip_by_value(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels["digit5"], logits=logits["digit5"])), 1e-37, 1e+37))

    return tf.add(
            tf.add(
            tf.add(
            tf.add(
            tf.add(loss_length, loss_digit1),
            loss_digit2),
            loss_digit3),
            loss_digit4),
            loss_digit5)
