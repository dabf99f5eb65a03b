"""Resize images in the graph to a fixed size, with the pixels that Pillow computes.

Pillow's BILINEAR filter is linear, so each of its two passes is a product with a constant matrix.
Pillow rounds the weights to multiples of 2 ** -22, and the sum of each pass to 8 bits. All numbers
here are integers that float32 represents, so the result is equal, in any runtime.

From version 13, Pillow resizes a tall image vertically first. This module resizes all images
horizontally first, as earlier versions do: the results then differ by at most 1 level.

Source: Pillow, src/libImaging/Resample.c.
"""

import numpy as np
import tensorflow.compat.v1 as tf

_ONE = float(1 << 22)  # the weight 1
# A weight is divided into two parts, because float32 represents only integers up to 2 ** 24.
_HALF = float(1 << 11)


def weights(size: int, target: int) -> np.ndarray:
    """Return the weights of a pass from `size` to `target` pixels, times 2 ** 22.

    Returns:
      float64 [size, target], integers.
    """
    scale = size / target
    support = max(scale, 1.0)  # shrinking averages all pixels
    centres = (np.arange(target) + 0.5) * scale
    x = np.arange(size)[:, None]
    taps = np.maximum(1.0 - np.abs((x - centres + 0.5) * (1.0 / support)), 0.0)
    inside = (x >= np.floor(centres - support + 0.5)) & (x < np.floor(centres + support + 0.5))
    taps = np.where(inside, taps, 0.0)
    return np.floor(0.5 + taps / taps.sum(axis=0) * _ONE)


def weights_of(size, target: int):
    """Return `weights` in the graph, as float64; size: int32 scalar tensor."""
    x = tf.cast(tf.range(size), tf.float64)[:, None]
    size = tf.cast(size, tf.float64)
    scale = size / target
    support = tf.maximum(scale, 1.0)
    centres = (tf.range(target, dtype=tf.float64) + 0.5) * scale
    taps = tf.maximum(1.0 - tf.abs((x - centres + 0.5) * (1.0 / support)), 0.0)
    inside = tf.logical_and(
        x >= tf.floor(centres - support + 0.5), x < tf.floor(centres + support + 0.5)
    )
    taps = tf.where(inside, taps, tf.zeros_like(taps))
    return tf.floor(0.5 + taps / tf.reduce_sum(taps, axis=0) * _ONE)


def resized(images, height: int, width: int):
    """Resize images as Pillow's Image.resize with BILINEAR.

    Args:
      images: float32 [n, rows, columns, channels], integers in 0..255; all but n static.
      height, width: in pixels.

    Returns:
      float32 [n, height, width, channels], integers in 0..255.
    """
    _, rows, columns, channels = images.shape.as_list()
    x = tf.transpose(images, [0, 1, 3, 2])  # [n, rows, channels, columns]
    x = resized_last(tf.reshape(x, [-1, columns]), weights(columns, width))
    x = tf.reshape(x, [-1, rows, channels, width])
    x = tf.transpose(x, [0, 3, 2, 1])  # [n, width, channels, rows]
    x = resized_last(tf.reshape(x, [-1, rows]), weights(rows, height))
    x = tf.reshape(x, [-1, width, channels, height])
    return tf.transpose(x, [0, 3, 1, 2])


def resized_last(x, matrix):
    """Do one pass over the last axis.

    Args:
      x: float32 [n, size], integers in 0..255.
      matrix: [size, target], of `weights`: an array, or a float64 tensor.

    Returns:
      float32 [n, target], integers in 0..255.
    """
    # With the high part h and the low part l of the sums, floor((h * 2 ** 11 + l) / 2 ** 22) is
    # floor((h + floor(l / 2 ** 11)) / 2 ** 11). Half of 2 ** 22 is added to round to the nearest.
    high = matrix // _HALF
    low = matrix - high * _HALF
    if isinstance(matrix, np.ndarray):
        parts = tf.constant(np.concatenate([high, low], axis=1), tf.float32)
    else:
        parts = tf.cast(tf.concat([high, low], axis=1), tf.float32)
    high, low = tf.split(tf.matmul(x, parts), 2, axis=1)
    carry = tf.floor((low + _ONE / 2) / _HALF)
    return tf.floor((high + carry) / _HALF)
