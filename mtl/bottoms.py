"""The shared bottoms: images in, one feature vector an image out; every variable under shared/.

A bottom is a function of (images, training settings) that returns float32 [batch, features]. `BOTTOMS` names them for flags.
"""

import functools

import tensorflow.compat.v1 as tf

from mtl import layers


def in_towers(build, x, towers, *, seed):
    """Build convolutions, a function (x, seed) -> [batch, features], over parts of the batch x, `towers` of them, with shared variables.

    A core with a part of its own never waits for another inside an operation. Dense layers would read their weights once a tower.
    """
    if towers == 1:
        return build(x, seed=seed)
    count, parts = tf.shape(x)[0], []
    for tower in range(towers):
        part = x[count * tower // towers : count * (tower + 1) // towers]
        shared = tf.variable_scope(
            tf.get_variable_scope(), auxiliary_name_scope=False, reuse=True if tower else None
        )
        with tf.name_scope(f"tower{tower}"), shared:
            # A seed of its own, so that towers drop out different values; it draws no weights, which are there already.
            parts.append(build(part, seed=seed ^ layers.key(f"tower{tower}") if tower else seed))
    return tf.concat(parts, 0)


def mlp(images, *, dropout, seed, step, towers=1):
    """Build one dense layer of rectifiers over the flattened pixels: the smallest bottom there is.

    Args:
      images: float32 [batch, height, width, channels].
      dropout: float, share of the hidden values set to 0.
      seed: int, the seed of the run.
      step: int64 scalar tensor, or None without dropout.
      towers: int, into how many parts the batch is cut for convolutions, see `in_towers`; here there are none.

    Returns:
      float32 [batch, 256].
    """
    x = layers.flatten(images)  # [batch, height * width * channels]
    x = tf.nn.relu(layers.dense(x, "dense1", 256, seed=seed))
    return layers.dropout(x, "dropout1", dropout, seed=seed, step=step)


def _convolutional(images, stages, *, first=48, stride=2, units=512, dropout, seed, step, towers=1):
    """Build a 5x5 convolution, stages of 3x3 ones, each closed by a 2x2 pooling, and a dense layer; arguments as `mlp`."""

    def convolutions(x, seed):
        # With a stride, the layer on the most pixels costs a half or a quarter, and no pooling follows: 54 pixels shrink to 27, 14, 7, 4.
        x = tf.nn.relu(layers.conv(x, "conv1", first, size=5, stride=stride, seed=seed))
        number = 1
        for stage, filters_of_stage in enumerate(stages, start=1):
            for place, filters in enumerate(filters_of_stage):
                number += 1
                y = layers.conv(x, f"conv{number}", filters, size=3, seed=seed)
                x = (
                    y + x if place else y
                )  # residual from the second of a stage on (He et al. 2015, arXiv:1512.03385, section 3.1)
                x = tf.nn.relu(x) if place < len(filters_of_stage) - 1 else x
            x = tf.nn.relu(
                layers.max_pool(x, f"pool{stage}")
            )  # the same values and gradients as the other way round, on a quarter of them
        return layers.flatten(x)

    x = tf.nn.relu(
        layers.dense(in_towers(convolutions, images, towers, seed=seed), "dense1", units, seed=seed)
    )
    return layers.dropout(x, "dropout1", dropout, seed=seed, step=step)


def small(images, **settings):
    """Build four convolutions of 48, 64, 128 and 192 filters and a dense layer. Arguments as `mlp`; [batch, 512]."""
    return _convolutional(images, [[64], [128], [192]], **settings)


def base(images, **settings):
    """Build six convolutions of 32, 64, twice 96 and twice 192 filters and a dense layer. Arguments as `mlp`; [batch, 320]."""
    # Digits stand side by side, so no column of pixels is skipped before the first pooling: 54x54 pixels become 27x54, 14x27, 7x14, 4x7.
    return _convolutional(
        images, [[64], [96, 96], [192, 192]], first=32, stride=(2, 1), units=320, **settings
    )


def paper(images, *, dropout, seed, step, towers=1):
    """Build the eleven hidden layers of Goodfellow et al. 2013 (arXiv:1312.6082, section 5.1). Arguments as `mlp`; [batch, 3072].

    54x54 pixels shrink to 27, 27, 14, 14, 7, 7, 4, 4. The paper leaves open the dropout rate, where a convolutional layer has its
    pooling, normalisation and dropout (here in this order, after the rectifier), and the weights of the 3x3 window, here all equal.
    """
    drop = functools.partial(layers.dropout, rate=dropout, step=step)

    def convolutions(x, seed):
        for number, filters in enumerate([48, 64, 128, 160, 192, 192, 192, 192], start=1):
            first = number == 1
            x = layers.conv(
                x, f"conv{number}", 3 * filters if first else filters, size=5, seed=seed
            )
            x = layers.max_pool(
                x if first else tf.nn.relu(x), f"pool{number}", stride=2 if number % 2 else 1
            )
            x = (
                layers.maxout(x, "maxout1", pieces=3) if first else x
            )  # pooled first: the same values from a quarter of the work
            x = drop(layers.subtractive_norm(x, f"norm{number}"), f"dropout{number}", seed=seed)
        return layers.flatten(
            drop(
                tf.nn.relu(layers.locally_connected(x, "local1", 192, size=5, seed=seed)),
                "dropout9",
                seed=seed,
            )
        )

    x = tf.nn.relu(
        layers.dense(in_towers(convolutions, images, towers, seed=seed), "dense1", 3072, seed=seed)
    )
    x = drop(x, "dropout10", seed=seed)
    return drop(tf.nn.relu(layers.dense(x, "dense2", 3072, seed=seed)), "dropout11", seed=seed)


BOTTOMS = {"mlp": mlp, "small": small, "base": base, "paper": paper}
