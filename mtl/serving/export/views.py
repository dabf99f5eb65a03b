"""The views of an image in the graph: those of mtl/inference/views.py, pixel for pixel."""

import tensorflow.compat.v1 as tf

from mtl.inputs import Inputs
from mtl.serving.export import pillow


def views(pixels, count: int, inputs: Inputs) -> list:
    """Return views of images.

    Args:
      pixels: tensor [n, *inputs.shape] of type inputs.dtype, images or features.
      count: as of mtl.inference.views.views; several views need uint8.
      inputs: what the network takes.

    Returns:
      list of `count` tensors [n, *inputs.network_shape] of the same type.
    """
    made = [_centre_crop(pixels, inputs)]
    if count >= 4:
        height, width = inputs.network_shape[:2]
        whole = pillow.resized(tf.cast(pixels, tf.float32), height, width)
        made.append(tf.cast(whole, tf.uint8))
    if count >= 2:
        # Not 255 - view: TensorFlow Lite has no subtraction of uint8.
        made += [tf.cast(255.0 - tf.cast(view, tf.float32), tf.uint8) for view in made]
    return made


def _centre_crop(pixels, inputs):
    """Return the centre crop of images; features, and images without a crop, unchanged."""
    size = inputs.crop
    if not size:
        return pixels
    top, left = ((whole - size) // 2 for whole in inputs.shape[:2])
    return pixels[:, top : top + size, left : left + size]


def average(outputs: dict, count: int) -> dict:
    """Average the probabilities of views.

    Args:
      outputs: dict task name -> float32 [count * n, classes], log probabilities, view after view.
      count: the number of views.

    Returns:
      dict task name -> float32 [n, classes], log of the mean probability.
    """
    if count == 1:
        return outputs
    found = {}
    for name, rows in outputs.items():
        each = tf.reshape(rows, [count, -1, rows.shape[1]])
        largest = tf.reduce_max(each, axis=0)
        total = tf.reduce_sum(tf.exp(each - largest), axis=0)
        found[name] = largest + tf.log(total / count)
    return found
