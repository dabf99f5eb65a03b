"""The shared bottoms: images -> one feature vector for each image, all variables under shared/.

Each public function is a bottom, and `--bottom=NAME` finds it by its name. It takes images and
training settings, and returns a Bottom. Images are float32 or bfloat16, here called float.
"""

import functools
from typing import Any, Dict, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import layers
from mtl.errors import UsageError


class Bottom(NamedTuple):
    """The output of a bottom. Both have the dtype of the images."""

    features: Any  # float [batch, features]
    ends: Dict[str, Any]  # name of a layer -> the tensor that the next layer takes, in order


def mlp(images, *, dropout, seed, step, towers=1):
    """Build one dense layer of ReLUs over the flattened pixels or features: the smallest bottom.

    Args:
      images: float [batch, height, width, channels], or feature vectors [batch, features].
      dropout: float in [0, 1), share of the hidden values set to 0.
      seed: int, the seed of the run.
      step: int64 scalar tensor, or None without dropout.
      towers: int, parts of the batch that run in parallel; ignored here, see `_in_towers`.

    Returns:
      Bottom, features float [batch, 256].
    """
    x = layers.flatten(images)  # [batch, height * width * channels]
    x = tf.nn.relu(layers.dense(x, "dense1", 256, seed=seed))
    x = layers.dropout(x, "dropout1", dropout, seed=seed, step=step)
    return Bottom(x, {"dense1": x})


def tiny(images, *, dropout, seed, step, towers=1):
    """Build three convolutions and a dense layer, for experiments of many runs on small images.

    36x36 pixels become 18x18, 9x18, 5x9. Arguments as `mlp`; features [batch, 128].
    """
    bottom = _in_towers(_convolve_tiny, images, towers, seed=seed)
    return _dense1(bottom, 128, dropout, seed=seed, step=step)


def light(images, *, dropout, seed, step, towers=1):
    """Build five convolutions and a dense layer: 1.8 times as fast to train as `small`.

    The first layers have the most pixels, so they have few filters, and strides instead of pooling.
    Digits are side by side, so rows are dropped before columns: 54x54 pixels become 27x27, 14x27,
    7x14, 4x7, 2x4.

    Arguments as `mlp`; features [batch, 320].
    """
    bottom = _in_towers(_convolve_light, images, towers, seed=seed)
    return _dense1(bottom, 320, dropout, seed=seed, step=step)


def small(images, *, dropout, seed, step, towers=1):
    """Build four convolutions and a dense layer. Arguments as `mlp`; features [batch, 512]."""
    convolve = functools.partial(_convolve, stages=[[64], [128], [192]], first=48, stride=2)
    bottom = _in_towers(convolve, images, towers, seed=seed)
    return _dense1(bottom, 512, dropout, seed=seed, step=step)


def base(images, *, dropout, seed, step, towers=1):
    """Build six convolutions and a dense layer. Arguments as `mlp`; features [batch, 320]."""
    # Digits are side by side, so the first convolution skips rows but no columns: 54x54 pixels
    # become 27x54, 14x27, 7x14, 4x7.
    stages = [[64], [96, 96], [192, 192]]
    convolve = functools.partial(_convolve, stages=stages, first=32, stride=(2, 1))
    bottom = _in_towers(convolve, images, towers, seed=seed)
    return _dense1(bottom, 320, dropout, seed=seed, step=step)


def paper(images, *, dropout, seed, step, towers=1):
    """Build the eleven hidden layers of Goodfellow et al. 2013, arXiv:1312.6082, section 5.1.

    54x54 pixels shrink to 27, 27, 14, 14, 7, 7, 4, 4. The paper does not give the dropout rate, the
    order of pooling, normalisation and dropout (here this order), or the weights of the
    normalisation (here equal).

    Arguments as `mlp`; features [batch, 3072].
    """
    drop = functools.partial(layers.dropout, rate=dropout, step=step)
    convolve = functools.partial(_paper_convolve, drop=drop)
    x, ends = _in_towers(convolve, images, towers, seed=seed)
    x = tf.nn.relu(layers.dense(layers.flatten(x), "dense1", 3072, seed=seed))
    x = ends["dense1"] = drop(x, "dropout10", seed=seed)
    x = tf.nn.relu(layers.dense(x, "dense2", 3072, seed=seed))
    x = ends["dense2"] = drop(x, "dropout11", seed=seed)
    return Bottom(x, ends)


def _dense1(bottom, units, dropout, *, seed, step):
    """Add a dense layer with dropout to a Bottom of feature maps."""
    x = tf.nn.relu(layers.dense(layers.flatten(bottom.features), "dense1", units, seed=seed))
    x = layers.dropout(x, "dropout1", dropout, seed=seed, step=step)
    return Bottom(x, {**bottom.ends, "dense1": x})


def _convolve(x, *, stages, first, stride, seed):
    """Build a 5x5 convolution, then stages of 3x3 convolutions that each end in a 2x2 pooling.

    Args:
      x: float [batch, height, width, channels].
      stages: list of lists of int, the filters of each 3x3 convolution.
      first: int, the filters of the 5x5 convolution.
      stride: int or (vertical, horizontal), of the 5x5 convolution, in pixels. This layer has the
        most pixels; a stride instead of pooling makes it two to four times as fast.
      seed: int.
    """
    ends = {}
    x = ends["conv1"] = tf.nn.relu(layers.conv(x, "conv1", first, size=5, stride=stride, seed=seed))
    number = 1
    for stage, filters_of_stage in enumerate(stages, start=1):
        for position, filters in enumerate(filters_of_stage):
            number += 1
            name = f"conv{number}"
            y = layers.conv(x, name, filters, size=3, seed=seed)
            # Residual, except in the first layer of a stage (He et al. 2015, arXiv:1512.03385).
            x = y + x if position else y
            if position < len(filters_of_stage) - 1:
                x = ends[name] = tf.nn.relu(x)
        # ReLU after pooling: the same values and gradients, on a quarter of the pixels.
        x = ends[name] = tf.nn.relu(layers.max_pool(x, f"pool{stage}"))
    return Bottom(x, ends)


def _convolve_tiny(x, *, seed):
    """Build the convolutions of `tiny`."""
    ends = {}
    x = ends["conv1"] = tf.nn.relu(layers.conv(x, "conv1", 16, size=5, stride=2, seed=seed))
    x = ends["conv2"] = tf.nn.relu(layers.conv(x, "conv2", 32, size=3, stride=(2, 1), seed=seed))
    x = ends["conv3"] = tf.nn.relu(layers.conv(x, "conv3", 48, size=3, stride=2, seed=seed))
    return Bottom(x, ends)


def _convolve_light(x, *, seed):
    """Build the convolutions of `light`."""
    ends = {}
    x = ends["conv1"] = tf.nn.relu(layers.conv(x, "conv1", 32, size=5, stride=2, seed=seed))
    x = ends["conv2"] = tf.nn.relu(layers.conv(x, "conv2", 64, size=3, stride=(2, 1), seed=seed))
    x = ends["conv3"] = tf.nn.relu(layers.conv(x, "conv3", 96, size=3, stride=2, seed=seed))
    x += layers.conv(x, "conv4", 96, size=3, seed=seed)  # residual, as in `_convolve`
    x = ends["conv4"] = tf.nn.relu(layers.max_pool(x, "pool1"))
    x = layers.conv(x, "conv5", 192, size=3, seed=seed)
    x = ends["conv5"] = tf.nn.relu(layers.max_pool(x, "pool2"))
    return Bottom(x, ends)


def _paper_convolve(x, *, drop, seed):
    """Build the eight convolutions and the locally connected layer of `paper`."""
    ends = {}
    for number, filters in enumerate([48, 64, 128, 160, 192, 192, 192, 192], start=1):
        stride = 2 if number % 2 else 1
        if number == 1:
            x = layers.conv(x, "conv1", 3 * filters, size=5, seed=seed)
            # Maxout after pooling: the same values, on a quarter of the pixels.
            x = layers.maxout(layers.max_pool(x, "pool1", stride=stride), "maxout1", pieces=3)
        else:
            x = tf.nn.relu(layers.conv(x, f"conv{number}", filters, size=5, seed=seed))
            x = layers.max_pool(x, f"pool{number}", stride=stride)
        x = drop(layers.subtractive_norm(x, f"norm{number}"), f"dropout{number}", seed=seed)
        ends[f"conv{number}"] = x
    x = tf.nn.relu(layers.locally_connected(x, "local1", 192, size=5, seed=seed))
    x = ends["local1"] = drop(x, "dropout9", seed=seed)
    return Bottom(x, ends)


def _in_towers(convolve, x, towers, *, seed):
    """Build convolutions over equal parts of the batch, one tower for each, with shared variables.

    With one tower for each core, no core waits for another inside an operation. Dense layers stay
    outside, because each tower would read all their weights.

    Args:
      convolve: function (x, seed) -> Bottom of feature maps.
      x: float [batch, height, width, channels].
      towers: int.
      seed: int.

    Returns:
      Bottom of the whole batch, with the ends of the first tower.
    """
    if x.shape.rank != 4:
        what = f"this bottom takes images, but the inputs are vectors of {x.shape[1]} features"
        raise UsageError(f"{what}; use --bottom=mlp")
    if towers == 1:
        return convolve(x, seed=seed)
    count, parts = tf.shape(x)[0], []
    for tower in range(towers):
        part = x[count * tower // towers : count * (tower + 1) // towers]
        # The seed decides the dropout masks, which must differ between towers. The variables exist
        # after the first tower and keep their values.
        own_seed = seed ^ layers.key(f"tower{tower}") if tower else seed
        scope = tf.variable_scope(
            tf.get_variable_scope(), auxiliary_name_scope=False, reuse=True if tower else None
        )
        with tf.name_scope(f"tower{tower}"), scope:
            parts.append(convolve(part, seed=own_seed))
    return Bottom(tf.concat([part.features for part in parts], 0), parts[0].ends)
