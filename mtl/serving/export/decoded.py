"""The number of an image in the graph: calibration and decoding as in mtl/inference."""

import tensorflow.compat.v1 as tf

from mtl import tasks as tasks_lib
from mtl.serving.signatures import TOO_MANY, Tensor

# The number as classes, for formats without text: its length, and five digits. A digit beyond the
# length is DIGIT_X.
CLASSES = Tensor("classes", "int32", (1 + tasks_lib.DIGITS,))


def outputs(log_probs: dict, temperature: float, *, text: bool) -> dict:
    """Return the outputs of an image with a number.

    Args:
      log_probs: dict task name -> float32 [n, classes].
      temperature: see inference.decoding.joint.
      text: whether the number is a string, decoded in float64. Otherwise it is given as classes,
        and decoded in float32, because some formats have neither.

    Returns:
      dict of "number", string [n], or "classes", int32 [n, 6]; "confidence", float32 [n]; "length",
      float32 [n, 7], and "digits", float32 [n, 5, 11], probabilities.
    """
    dtype = tf.float64 if text else tf.float32
    best = tf.argmax(scores(calibrated(log_probs, min(temperature, 1.0)), dtype), axis=1)
    log_probs_out = calibrated(log_probs, temperature)
    chosen = tf.one_hot(best, tasks_lib.LENGTH_X + 1, dtype=dtype)
    confidence = tf.reduce_sum(chosen * tf.exp(scores(log_probs_out, dtype)), axis=1)
    best_digits = tf.argmax(_digits(log_probs), axis=2)  # [n, 5]
    length, *digits = log_probs_out.values()
    return {
        **(_text(best, best_digits) if text else _classes(best, best_digits)),
        "confidence": tf.cast(confidence, tf.float32),
        "length": tf.exp(length),
        "digits": tf.exp(tf.stack(digits, axis=1)),
    }


def _text(best, digits):
    """Return the number as text; best: int64 [n], its length; digits: int64 [n, 5]."""
    joined = tf.strings.reduce_join(tf.as_string(digits), axis=1)
    number = tf.strings.substr(joined, tf.zeros_like(best), best)
    too_many = tf.equal(best, tasks_lib.LENGTH_X)
    return {"number": tf.where(too_many, tf.fill(tf.shape(number), TOO_MANY), number)}


def _classes(best, digits):
    """Return the number as classes; arguments as `_text`."""
    within = tf.range(tasks_lib.DIGITS, dtype=tf.int64) < tf.expand_dims(best, 1)
    beyond = tf.fill(tf.shape(digits), tf.constant(tasks_lib.DIGIT_X, tf.int64))
    found = tf.concat([tf.expand_dims(best, 1), tf.where(within, digits, beyond)], axis=1)
    return {CLASSES.name: tf.cast(found, tf.int32)}


def calibrated(log_probs: dict, temperature: float) -> dict:
    """Divide log probabilities by a temperature and normalise them."""
    if temperature == 1:
        return log_probs
    return {name: tf.nn.log_softmax(rows / temperature) for name, rows in log_probs.items()}


def scores(log_probs: dict, dtype):
    """Return the log probability of the best number of each length; see inference.decoding.scores.

    Returns:
      `dtype` [n, 7], for the lengths 0 to 5 and X.
    """
    length = tf.cast(log_probs["length"], dtype)
    sums = tf.cumsum(tf.cast(tf.reduce_max(_digits(log_probs), axis=2), dtype), axis=1)  # [n, 5]
    return length + tf.concat([tf.zeros_like(sums[:, :1]), sums, sums[:, -1:]], axis=1)


def _digits(log_probs):
    """Return the log probabilities of the digits without X, [n, 5, 10]."""
    names = [tasks_lib.digit_name(position) for position in range(1, tasks_lib.DIGITS + 1)]
    return tf.stack([log_probs[name][:, : tasks_lib.DIGIT_X] for name in names], axis=1)
