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
