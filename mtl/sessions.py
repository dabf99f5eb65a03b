"""Sessions: how many threads TensorFlow uses, and into how many towers a batch is divided.

TensorFlow has two pools of threads: "inter-op" starts operations, and "intra-op" computes parts of
one operation. A process has only one intra-op pool, which all its operations share. An operation
that may use one thread does not use the pool: the inter-op thread that starts it computes it.
"""

import os

import tensorflow.compat.v1 as tf

from mtl import devices, machine

# The smallest tower. Small towers cost more work: with 2 images each, a step takes 1.13 times the
# work of two large towers in fp32, and 1.5 times in bf16. But each tower uses one more core.
IMAGES_PER_TOWER = 2
MAX_TOWERS = 32  # to build and start the graph takes 0.07 s longer for each; not measured beyond
MAX_PARTS = 16  # of a batch, predicted concurrently; to build one takes 0.01 to 0.02 s


def towers_of(threads, batch_size):
    """Return the number of towers: one for each thread, with at least IMAGES_PER_TOWER images each.

    On a GPU it is 1, because one large operation keeps all its units busy.

    Args:
      threads: int; 0 is one for each core.
      batch_size: int.
    """
    if devices.gpus():
        return 1
    return max(1, min(threads or machine.cores(), batch_size // IMAGES_PER_TOWER, MAX_TOWERS))


def session_config(threads, batch_size):
    """Return a tf.ConfigProto that runs the towers in parallel.

    Args:
      threads: int, shared by the towers; 0 is one for each core.
      batch_size: int.
    """
    # By default oneDNN compiles the gradients of convolutions again at every step.
    os.environ.setdefault("TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE", "0")
    if devices.gpus():
        # The few operations without a kernel for the GPU run on the processor.
        return tf.ConfigProto(allow_soft_placement=True)
    threads = threads or machine.cores()
    towers = towers_of(threads, batch_size)
    # Each tower has a thread of its own. A pool for them to share would make a step slower: with
    # more than one thread, an operation waits for the pool instead of using its own thread.
    return tf.ConfigProto(
        intra_op_parallelism_threads=threads if towers == 1 else 1,
        inter_op_parallelism_threads=towers,
    )


def pools(options):
    """Return the sizes of both pools in a tf.ConfigProto, as config.json has them."""
    return {
        "intra_op": options.intra_op_parallelism_threads,
        "inter_op": options.inter_op_parallelism_threads,
    }


def parts_of_predictions():
    """Return into how many parts a batch is divided that a trained network predicts."""
    return 1 if devices.gpus() else min(machine.cores(), MAX_PARTS)


def prediction_config():
    """Return the tf.ConfigProto of a session that predicts; see inference.graph.build."""
    if devices.gpus():
        return tf.ConfigProto(allow_soft_placement=True)
    # Each part has a thread of its own. -1 runs operations in the thread of the caller: otherwise a
    # single image takes up to twice as long.
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
