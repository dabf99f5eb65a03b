"""Sessions: how many threads TensorFlow uses, and into how many towers a batch is divided."""

import os

import tensorflow.compat.v1 as tf

IMAGES_PER_TOWER = 8  # the minimum; with fewer, a second tower makes a step slower


def towers_of(threads, batch_size):
    """Return the number of towers: at most one for each thread, each with IMAGES_PER_TOWER images.

    Args:
      threads: int; 0 is one for each core.
      batch_size: int.
    """
    return max(1, min(threads or os.cpu_count() or 1, batch_size // IMAGES_PER_TOWER))


def session_config(threads, batch_size):
    """Return a tf.ConfigProto that runs the towers in parallel.

    Args:
      threads: int, shared by the towers; 0 is one for each core.
      batch_size: int.
    """
    # By default oneDNN compiles the gradients of convolutions again at every step.
    os.environ.setdefault("TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE", "0")
    threads = threads or os.cpu_count() or 1
    towers = towers_of(threads, batch_size)
    return tf.ConfigProto(
        intra_op_parallelism_threads=threads // towers, inter_op_parallelism_threads=towers
    )
