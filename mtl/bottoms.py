"""The shared bottoms: images in, one feature vector an image out; every variable under shared/.

A bottom is a function of (images, training settings) that returns float32 [batch, features]. `BOTTOMS` names them for flags.
"""

import functools

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


def _convolutional(images, stages, *, first=48, stride=2, units=512, dropout, seed, step):
    """Build a 5x5 convolution, stages of 3x3 ones, each closed by a 2x2 pooling, and a dense layer; arguments as `mlp`."""
    # With a stride, the layer on the most pixels costs a half or a quarter, and no pooling follows it: 54 pixels shrink to 27, 14, 7, 4.
    x = tf.nn.relu(layers.conv(images, "conv1", first, size=5, stride=stride, seed=seed))
    number = 1
    for stage, filters_of_stage in enumerate(stages, start=1):
        for place, filters in enumerate(filters_of_stage):
            number += 1
            y = layers.conv(x, f"conv{number}", filters, size=3, seed=seed)
            x = tf.nn.relu(y + x if place else y)  # residual from the second of a stage on (He et al. 2015, arXiv:1512.03385, section 3.1)
        x = layers.max_pool(x, f"pool{stage}")
    x = tf.nn.relu(layers.dense(layers.flatten(x), "dense1", units, seed=seed))
    return layers.dropout(x, "dropout1", dropout, seed=seed, step=step)


def small(images, *, dropout, seed, step):
    """Build four convolutions of 48, 64, 128 and 192 filters and a dense layer. Arguments as `mlp`; [batch, 512]."""
    return _convolutional(images, [[64], [128], [192]], dropout=dropout, seed=seed, step=step)


def base(images, *, dropout, seed, step):
    """Build six convolutions of 32, 64, twice 96 and twice 192 filters and a dense layer. Arguments as `mlp`; [batch, 320]."""
    # Digits stand side by side, so no column of pixels is skipped before the first pooling: 54x54 pixels become 27x54, 14x27, 7x14, 4x7.
    return _convolutional(images, [[64], [96, 96], [192, 192]], first=32, stride=(2, 1), units=320, dropout=dropout, seed=seed, step=step)


def paper(images, *, dropout, seed, step):
    """Build the eleven hidden layers of Goodfellow et al. 2013 (arXiv:1312.6082, section 5.1). Arguments as `mlp`; [batch, 3072].

    54x54 pixels shrink to 27, 27, 14, 14, 7, 7, 4, 4. The paper leaves open the dropout rate, where a convolutional layer has its
    pooling, normalisation and dropout (here in this order, after the rectifier), and the weights of the 3x3 window, here all equal.
    """
    drop = functools.partial(layers.dropout, rate=dropout, seed=seed, step=step)
    x = images
    for number, filters in enumerate([48, 64, 128, 160, 192, 192, 192, 192], start=1):
        if number == 1:
            x = layers.maxout(layers.conv(x, "conv1", 3 * filters, size=5, seed=seed), "maxout1", pieces=3)
        else:
            x = tf.nn.relu(layers.conv(x, f"conv{number}", filters, size=5, seed=seed))
        x = layers.max_pool(x, f"pool{number}", stride=2 if number % 2 else 1)
        x = drop(layers.subtractive_norm(x, f"norm{number}"), f"dropout{number}")
    x = drop(tf.nn.relu(layers.locally_connected(x, "local1", 192, size=5, seed=seed)), "dropout9")
    x = layers.flatten(x)  # [batch, 4 * 4 * 192]
    x = drop(tf.nn.relu(layers.dense(x, "dense1", 3072, seed=seed)), "dropout10")
    return drop(tf.nn.relu(layers.dense(x, "dense2", 3072, seed=seed)), "dropout11")


BOTTOMS = {"mlp": mlp, "small": small, "base": base, "paper": paper}
