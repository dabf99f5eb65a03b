"""Hand-written variables and layers.

Each layer is a function of a tensor and a scope name that opens exactly one variable scope, so that a checkpoint reads like a table of
contents: `shared/conv1/w`, `shared/conv1/b`, `digit3/w`, ... Weights are called w, biases b, everywhere. Every random number
is keyed by (seed, step, name of the variable scope), never by TensorFlow's hidden per-graph counter of operations: adding a layer
elsewhere leaves all other draws as they were. A layer raises ValueError, naming its scope, where x has another rank than it takes.
"""

import zlib

import numpy as np
import tensorflow.compat.v1 as tf


def key(name: str) -> int:
    """Return the number that stands for a scope name in random seeds: its crc32."""
    return zlib.crc32(name.encode("utf-8"))


def variable(name, shape, stddev, seed):
    """Create a trainable variable; the one place where variables are born.

    Args:
      name: str, within the current variable scope.
      shape: list of int.
      stddev: float, standard deviation of the normal, cut at two of its widths, that it starts from; 0 starts from zeros.
      seed: int, the seed of the run; with the variable's full name it decides the values.

    Returns:
      float32 variable of `shape`.
    """
    full_name = f"{tf.get_variable_scope().name}/{name}"

    def initial(shape, dtype=tf.float32, partition_info=None):
        if not stddev:
            return tf.zeros(shape, dtype)
        # Cut at two standard deviations, a normal keeps 0.88 of its width: it is drawn wider by as much.
        width = stddev / 0.87962566
        return tf.random.stateless_truncated_normal(
            shape, seed=[seed, key(full_name)], stddev=width, dtype=dtype
        )

    return tf.get_variable(name, shape, tf.float32, initializer=initial, use_resource=True)


def dense(x, scope, units, *, seed, gain=2.0):
    """Multiply by a matrix and add a bias.

    Args:
      x: float32 [batch, inputs], inputs static.
      scope: str, the variable scope; holds w [inputs, units] and b [units].
      units, seed: int; the seed is that of the run.
      gain: float, w starts with variance gain / inputs: 2 before a rectifier (He et al. 2015, arXiv:1502.01852, eq. 10),
        1 before a softmax.

    Returns:
      float32 [batch, units].
    """
    check_rank(x, 2, scope)
    inputs = int(x.shape[1])
    with tf.variable_scope(scope):
        w = variable("w", [inputs, units], np.sqrt(gain / inputs), seed)
        b = variable("b", [units], 0.0, seed)
        return tf.nn.bias_add(tf.matmul(x, tf.cast(w, x.dtype)), tf.cast(b, x.dtype))


def conv(x, scope, filters, *, size, seed, stride=1):
    """Convolve with square kernels, zero padded at the rim (SAME), and add a bias.

    Args:
      x: float32 [batch, height, width, channels], channels static.
      scope: str, the variable scope; holds w [size, size, channels, filters] and b [filters].
      filters, seed: int; the seed is that of the run.
      size: int, height and width of a kernel in pixels.
      stride: int, or (down, across), pixels between kernels.

    Returns:
      float32 [batch, ceil(height / stride), ceil(width / stride), filters].
    """
    check_rank(x, 4, scope)
    channels = int(x.shape[3])
    with tf.variable_scope(scope):
        w = variable(
            "w", [size, size, channels, filters], np.sqrt(2.0 / (size * size * channels)), seed
        )
        b = variable("b", [filters], 0.0, seed)
        return tf.nn.bias_add(
            tf.nn.conv2d(x, tf.cast(w, x.dtype), strides=stride, padding="SAME"),
            tf.cast(b, x.dtype),
        )


def max_pool(x, scope, *, stride=2):
    """Take the largest value of each 2x2 window; one that hangs over a far side holds only the pixels there (SAME).

    Args:
      x: float32 [batch, height, width, channels].
      scope: str, names the operation; it holds no variable.
      stride: int, pixels between windows.

    Returns:
      float32 [batch, ceil(height / stride), ceil(width / stride), channels].
    """
    check_rank(x, 4, scope)
    with tf.variable_scope(scope):
        return tf.nn.max_pool2d(x, ksize=2, strides=stride, padding="SAME")


def maxout(x, scope, *, pieces):
    """Take the largest of each `pieces` neighbouring channels (Goodfellow et al. 2013, arXiv:1302.4389, section 3).

    Arguments as `max_pool`; float32 [batch, height, width, channels / pieces]. ValueError where that is no whole number.
    """
    check_rank(x, 4, scope)
    _, height, width, channels = x.shape.as_list()
    if channels % pieces:
        raise ValueError(
            f"maxout in scope {scope} cannot make groups of {pieces} of {channels} channels"
        )
    with tf.variable_scope(scope):
        return tf.reduce_max(tf.reshape(x, [-1, height, width, channels // pieces, pieces]), axis=4)


def subtractive_norm(x, scope, *, size=3):
    """Take off each pixel the mean of all channels over the square around it (Jarrett et al. 2009, section 3.1, weights equal).

    Arguments as `max_pool`; `size` is the height and width of the square in pixels. Beyond the rim nothing is counted. The shape stays.
    """
    check_rank(x, 4, scope)
    with tf.variable_scope(scope):
        return x - tf.nn.avg_pool2d(
            tf.reduce_mean(x, axis=3, keepdims=True), ksize=size, strides=1, padding="SAME"
        )


def locally_connected(x, scope, filters, *, size, seed):
    """Convolve as `conv` does, with a kernel and a bias of its own for each place; height and width are static.

    The scope holds w [height * width, size * size * channels, filters] and b [height * width, 1, filters].
    """
    check_rank(x, 4, scope)
    _, height, width, channels = x.shape.as_list()
    places, inputs = height * width, size * size * channels
    with tf.variable_scope(scope):
        w = variable("w", [places, inputs, filters], np.sqrt(2.0 / inputs), seed)
        b = variable("b", [places, 1, filters], 0.0, seed)
        patches = tf.image.extract_patches(
            x, [1, size, size, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME"
        )
        patches = tf.transpose(
            tf.reshape(patches, [-1, places, inputs]), [1, 0, 2]
        )  # one matrix product a place
        y = tf.matmul(patches, tf.cast(w, x.dtype)) + tf.cast(b, x.dtype)
        return tf.reshape(tf.transpose(y, [1, 0, 2]), [-1, height, width, filters])


def flatten(x):
    """Join all axes but the first: [batch, ...] -> [batch, product of the rest], all but batch static."""
    return tf.reshape(x, [-1, int(np.prod(x.shape.as_list()[1:]))])


def dropout(x, scope, rate, *, seed, step):
    """Set a random share of the values to 0 and scale up the rest, so that mean and shape stay (Srivastava et al. 2014, section 10).

    Args:
      x: float32 of any shape.
      scope: str, the variable scope; its full name is part of the random key.
      rate: float in [0, 1), the share set to 0; 0 adds no operation.
      seed: int, the seed of the run.
      step: int64 scalar tensor, the training step: the mask is a pure function of (seed, step, scope name).

    Raises:
      ValueError: the rate lies outside [0, 1), or there is no step to key the mask by.
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout rate must lie in [0, 1), got {rate} in scope {scope}")
    if rate == 0.0:
        return x
    if step is None:
        raise ValueError(
            f"dropout in scope {scope} needs the training step: the mask is keyed by (seed, step, scope name)"
        )
    with tf.variable_scope(scope) as opened:
        uniform = tf.random.stateless_uniform(
            tf.shape(x), seed=tf.stack([seed ^ key(opened.name), tf.cast(step, tf.int64)])
        )
        return tf.where(uniform >= rate, x / (1.0 - rate), tf.zeros_like(x))


def check_rank(x, rank, scope):
    """Raise ValueError, naming tensor and scope, where a tensor has another rank than a layer takes."""
    if x.shape.rank != rank:
        where = "/".join(filter(None, [tf.get_variable_scope().name, scope]))
        raise ValueError(
            f"layer {where} takes a tensor of rank {rank}, got {x.name} of shape {x.shape}"
        )
