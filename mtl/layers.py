"""Hand-written variables and layers.

Each layer is a function of a tensor and a scope name. It opens exactly one variable scope, so that
a checkpoint reads like a table of contents: `shared/conv1/w`, `shared/conv1/b`, `digit3/w`, ...
Weights are always called w, biases b.

Every random number is keyed by (seed, step, name of the variable scope), not by TensorFlow's
counter of operations: adding a layer changes no random number of another layer.

Inputs are float32 or bfloat16, here called float. The output has the dtype of the input. Variables
are always float32. A layer raises ValueError, naming its scope, for an input of the wrong rank.
"""

import zlib

import numpy as np
import tensorflow.compat.v1 as tf

# The standard deviation of a standard normal that is truncated at -2 and 2.
TRUNCATED_STDDEV = 0.87962566


def key(name: str) -> int:
    """Return the crc32 of a scope name: its part of a random seed."""
    return zlib.crc32(name.encode("utf-8"))


def name_of(variable):
    """Return the name of a variable, such as shared/conv1/w; parts of a divided one share it."""
    info = variable._get_save_slice_info()  # of a partitioner; TensorFlow has no public function
    return info.full_name if info else variable.op.name


def variable(name, shape, stddev, seed):
    """Create a trainable float32 variable. All variables of the network are created here.

    Args:
      name: str, within the current variable scope.
      shape: list of int.
      stddev: float, standard deviation of the initial values, drawn from a truncated normal; 0
        gives zeros.
      seed: int, the seed of the run. The values depend on it and on the variable's full name.
    """
    full_name = f"{tf.get_variable_scope().name}/{name}"

    def initial(shape, dtype=tf.float32, partition_info=None):
        if not stddev:
            return tf.zeros(shape, dtype)
        whole = partition_info.full_shape if partition_info else shape
        # tf.random.stateless_truncated_normal gives the same values with four operations more.
        values = tf.raw_ops.StatelessTruncatedNormal(
            shape=whole, seed=[seed, key(full_name)], dtype=dtype
        )
        values *= stddev / TRUNCATED_STDDEV
        return tf.slice(values, partition_info.var_offset, shape) if partition_info else values

    return tf.get_variable(name, shape, tf.float32, initializer=initial, use_resource=True)


def dense(x, scope, units, *, seed, gain=2.0):
    """Multiply by a matrix and add a bias.

    Args:
      x: float [batch, inputs], inputs static.
      scope: str, the variable scope; contains w [inputs, units] and b [units].
      units: int.
      seed: int, the seed of the run.
      gain: float, the initial variance of w times inputs: 2 before a ReLU (He et al. 2015,
        arXiv:1502.01852, eq. 10), 1 before a softmax.

    Returns:
      float [batch, units].
    """
    check_rank(x, 2, scope)
    inputs = int(x.shape[1])
    with tf.variable_scope(scope):
        w = variable("w", [inputs, units], np.sqrt(gain / inputs), seed)
        b = variable("b", [units], 0.0, seed)
        return tf.nn.bias_add(tf.matmul(x, tf.cast(w, x.dtype)), tf.cast(b, x.dtype))


def conv(x, scope, filters, *, size, seed, stride=1):
    """Convolve with square kernels, zero padding (SAME), and add a bias.

    Args:
      x: float [batch, height, width, channels], channels static.
      scope: str, the variable scope; contains w [size, size, channels, filters] and b [filters].
      filters: int.
      size: int, height and width of a kernel in pixels.
      seed: int, the seed of the run.
      stride: int, or (vertical, horizontal), in pixels.

    Returns:
      float [batch, ceil(height / stride), ceil(width / stride), filters].
    """
    check_rank(x, 4, scope)
    channels = int(x.shape[3])
    inputs = size * size * channels
    with tf.variable_scope(scope):
        w = variable("w", [size, size, channels, filters], np.sqrt(2.0 / inputs), seed)
        b = variable("b", [filters], 0.0, seed)
        y = tf.nn.conv2d(x, tf.cast(w, x.dtype), strides=stride, padding="SAME")
        return tf.nn.bias_add(y, tf.cast(b, x.dtype))


def max_pool(x, scope, *, stride=2):
    """Take the largest value of each 2x2 window. Padding (SAME) is excluded.

    Args:
      x: float [batch, height, width, channels].
      scope: str, names the operation; has no variable.
      stride: int, in pixels.

    Returns:
      float [batch, ceil(height / stride), ceil(width / stride), channels].
    """
    check_rank(x, 4, scope)
    with tf.variable_scope(scope):
        return tf.nn.max_pool2d(x, ksize=2, strides=stride, padding="SAME")


def maxout(x, scope, *, pieces):
    """Take the largest of each group of neighbouring channels.

    Source: Goodfellow et al. 2013, arXiv:1302.4389, section 3.

    Args:
      x: float [batch, height, width, channels].
      scope: str, names the operation; has no variable.
      pieces: int, channels in a group.

    Returns:
      float [batch, height, width, channels / pieces].

    Raises:
      ValueError: pieces does not divide channels.
    """
    check_rank(x, 4, scope)
    _, height, width, channels = x.shape.as_list()
    if channels % pieces:
        what = f"{pieces} pieces do not divide {channels} channels"
        raise ValueError(f"maxout in scope {scope}: {what}")
    with tf.variable_scope(scope):
        groups = tf.reshape(x, [-1, height, width, channels // pieces, pieces])
        return tf.reduce_max(groups, axis=4)


def subtractive_norm(x, scope, *, size=3):
    """Subtract from each pixel the mean of all channels over the square around it.

    Source: Jarrett et al. 2009, section 3.1, with equal weights.

    Args:
      x: float [batch, height, width, channels].
      scope: str, names the operation; has no variable.
      size: int, height and width of the square in pixels. Padding is excluded.

    Returns:
      float, the shape of x.
    """
    check_rank(x, 4, scope)
    with tf.variable_scope(scope):
        mean = tf.reduce_mean(x, axis=3, keepdims=True)
        return x - tf.nn.avg_pool2d(mean, ksize=size, strides=1, padding="SAME")


def locally_connected(x, scope, filters, *, size, seed):
    """Convolve with stride 1, with a separate kernel and bias at each position.

    Args:
      x: float [batch, height, width, channels], all but batch static.
      scope: str, the variable scope; contains w [height * width, size * size * channels, filters]
        and b [height * width, 1, filters].
      filters, size, seed: as `conv`.

    Returns:
      float [batch, height, width, filters].
    """
    check_rank(x, 4, scope)
    _, height, width, channels = x.shape.as_list()
    positions, inputs = height * width, size * size * channels
    with tf.variable_scope(scope):
        w = variable("w", [positions, inputs, filters], np.sqrt(2.0 / inputs), seed)
        b = variable("b", [positions, 1, filters], 0.0, seed)
        one = [1, 1, 1, 1]
        patches = tf.image.extract_patches(x, [1, size, size, 1], one, one, "SAME")
        patches = tf.reshape(patches, [-1, positions, inputs])
        patches = tf.transpose(patches, [1, 0, 2])  # [positions, batch, inputs]
        y = tf.matmul(patches, tf.cast(w, x.dtype)) + tf.cast(b, x.dtype)
        return tf.reshape(tf.transpose(y, [1, 0, 2]), [-1, height, width, filters])


def flatten(x):
    """Join all axes but the first: [batch, ...] -> [batch, product of the rest], all static."""
    return tf.reshape(x, [-1, int(np.prod(x.shape.as_list()[1:]))])


def dropout(x, scope, rate, *, seed, step):
    """Set a random share of the values to 0 and divide the rest by 1 - rate, to keep the mean.

    Source: Srivastava et al. 2014, section 10.

    Args:
      x: float of any shape.
      scope: str, the variable scope; its full name is part of the random key.
      rate: float in [0, 1), the share set to 0; 0 adds no operation.
      seed: int, the seed of the run.
      step: int64 scalar tensor, the training step. The mask is a pure function of (seed, step,
        scope name).

    Returns:
      float, the shape of x.

    Raises:
      ValueError: the rate is not in [0, 1), or step is None.
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout rate must lie in [0, 1), got {rate} in scope {scope}")
    if rate == 0.0:
        return x
    if step is None:
        raise ValueError(f"dropout in scope {scope} needs the training step; pass step")
    with tf.variable_scope(scope) as opened:
        random_key = tf.stack([seed ^ key(opened.name), tf.cast(step, tf.int64)])
        uniform = tf.random.stateless_uniform(tf.shape(x), seed=random_key)
        return tf.where(uniform >= rate, x / (1.0 - rate), tf.zeros_like(x))


def check_rank(x, rank, scope):
    """Raise ValueError, naming the tensor and the scope, if x does not have the given rank."""
    if x.shape.rank != rank:
        where = "/".join(filter(None, [tf.get_variable_scope().name, scope]))
        raise ValueError(
            f"layer {where} takes a tensor of rank {rank}, got {x.name} of shape {x.shape}"
        )
