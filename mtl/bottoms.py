"""The shared bottoms: images in, one feature vector an image out; every variable under shared/.

A bottom is a function of (images, training settings) that returns float32 [batch, features]. `BOTTOMS` names them for
flags and config.json.
"""

import tensorflow.compat.v1 as tf

from mtl import layers


def mlp(images, *, dropout, seed, step):
    """Build one dense layer of rectifiers over the flattened pixels: the smallest bottom there is.

    Args:
      images: float32 [batch, height, width, channels].
      dropout: float, share of the hidden values set to 0.
      seed: int, the seed of the run.
      step: int64 scalar tensor, or None without dropout.

    Returns:
      float32 [batch, 256].
    """
    x = layers.flatten(images)  # [batch, height * width * channels]
    x = tf.nn.relu(layers.dense(x, "dense1", 256, seed=seed))
    return layers.dropout(x, "dropout1", dropout, seed=seed, step=step)


def _convolutional(images, stages, *, dropout, seed, step):
    """Build a 5x5 convolution, stages of 3x3 ones, each closed by a 2x2 pooling, and a dense layer; arguments as `mlp`."""
    # With stride 2, the layer on the most pixels costs a quarter, and no pooling follows it: 54x54 pixels shrink to 27, 14, 7, 4.
    x = tf.nn.relu(layers.conv(images, "conv1", 48, size=5, stride=2, seed=seed))
    number = 1
    for stage, filters_of_stage in enumerate(stages, start=1):
        for filters in filters_of_stage:
            number += 1
            x = tf.nn.relu(layers.conv(x, f"conv{number}", filters, size=3, seed=seed))
        x = layers.max_pool(x, f"pool{stage}")
    x = tf.nn.relu(layers.dense(layers.flatten(x), "dense1", 512, seed=seed))
    return layers.dropout(x, "dropout1", dropout, seed=seed, step=step)


def small(images, *, dropout, seed, step):
    """Build four convolutions of 48, 64, 128 and 192 filters and a dense layer. Arguments as `mlp`; [batch, 512]."""
    return _convolutional(images, [[64], [128], [192]], dropout=dropout, seed=seed, step=step)


def base(images, *, dropout, seed, step):
    """Build `small` with each of its 3x3 convolutions twice. Arguments as `mlp`; [batch, 512]."""
    return _convolutional(images, [[64, 64], [128, 128], [192, 192]], dropout=dropout, seed=seed, step=step)


BOTTOMS = {"mlp": mlp, "small": small, "base": base}
