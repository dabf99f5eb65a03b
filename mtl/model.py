"""The network: a shared bottom and one top per task.

                   +-- length: dense, 7 classes
images -- shared --+-- digit1: dense, 11 classes
                   |   ...
                   +-- digit5: dense, 11 classes
"""

import os
from typing import Any, Dict, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import bottoms, layers
from mtl.config import ABSENT, PRECISIONS
from mtl.tasks import NUMBER_TASKS, masked


class Model(NamedTuple):
    """The named tensors of a network: what all tasks share, and the outputs of each task, in task order."""

    features: Any  # float32 [batch, features]
    logits: Dict[str, Any]  # task name -> float32 [batch, classes]
    log_probs: Dict[str, Any]  # task name -> float32 [batch, classes], the log of the softmax


def towers_of(threads, batch_size):
    """Return into how many towers a batch is cut, int: one for each of `threads` (0: one a core), while each has 8 images to work on."""
    return max(1, min(threads or os.cpu_count() or 1, batch_size // 8))


def session_config(threads, batch_size):
    """Return a tf.ConfigProto: as many operations at a time as there are towers, which share `threads` (0: one a core) among them."""
    os.environ.setdefault(
        "TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE", "0"
    )  # else oneDNN compiles gradients of convolutions anew at every step
    threads, towers = threads or os.cpu_count() or 1, towers_of(threads, batch_size)
    return tf.ConfigProto(
        intra_op_parallelism_threads=threads // towers, inter_op_parallelism_threads=towers
    )


def _of_type(images, dtype, cure):
    """Return images as a tensor; raise ValueError where its type is not `dtype`."""
    images = tf.convert_to_tensor(images)
    if images.dtype.base_dtype != dtype:
        found = f"{images.name} of type {images.dtype.base_dtype.name}"
        raise ValueError(f"images must be a tensor of type {dtype.name}, got {found}; {cure}")
    return images


def to_float(images):
    """Turn uint8 pixels 0..255 into float32 0..1, in training as in inference."""
    images = _of_type(images, tf.uint8, "pass float32 in 0..1 to model.build as they are")
    return tf.cast(images, tf.float32) / 255.0


def build(
    images,
    *,
    tasks=NUMBER_TASKS,
    bottom="small",
    training=False,
    dropout=0.0,
    seed=0,
    step=None,
    precision="fp32",
    absent="x",
    towers=1,
):
    """Build the shared bottom and one top per task into the current graph; returns a Model.

    Args:
      images: float32 [batch, height, width, channels] in 0..1, height and width static.
      tasks: sequence of Task.
      bottom: str, a key of bottoms.BOTTOMS.
      training: bool, whether dropout is on.
      dropout: float in [0, 1), the share of hidden values set to 0 in training.
      seed: int; with the scope names it decides all initial weights and masks.
      step: int64 scalar tensor, the training step that keys the dropout masks; None where there is no dropout.
      towers: int, into how many parts the batch is cut for the bottom, each for a core of its own; at most the number of images.
      absent: "x" or "mask", whether the X of the digits is a class, or has a probability of 0 and learns nothing.
      precision: "fp32" or "bf16", what the shared bottom computes in; variables, features and outputs are float32 in any case.

    Raises:
      ValueError: an unknown name, images not float32, not of rank 4 or of unknown size, or
        variables that exist already (TensorFlow's).
    """
    choices = {
        "bottom": (bottom, bottoms.BOTTOMS),
        "precision": (precision, PRECISIONS),
        "absent": (absent, ABSENT),
    }
    for name, (value, known) in choices.items():
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    cure = "use model.to_float for uint8 pixels, tf.cast(images, tf.float32) for other floats"
    images = _of_type(images, tf.float32, cure)
    layers.check_rank(images, 4, "shared")
    if None in images.shape.as_list()[1:]:
        raise ValueError(
            f"images need a static height, width and number of channels, got {images.name} of shape {images.shape}"
        )
    # The mean of each image comes off, as in the paper (section 5.1): the light a picture was taken in says nothing of its number.
    centred = images - tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    with tf.variable_scope("shared"):
        # A layer computes in the type of what it is given. Softmax and losses need float32: the clip's 1e-37 has no like in half of it.
        x = tf.cast(centred, tf.bfloat16 if precision == "bf16" else tf.float32)
        x = bottoms.BOTTOMS[bottom](
            x, dropout=dropout if training else 0.0, seed=seed, step=step, towers=towers
        )
        features = tf.cast(x, tf.float32)
    logits = {
        task.name: layers.dense(features, task.name, task.classes, seed=seed, gain=1.0)
        for task in tasks
    }
    for task in tasks:
        if masked(
            task, absent
        ):  # added to a logit, -1e9 leaves exactly 0 of its probability and gradient, and no infinity to make NaN of
            logits[task.name] += tf.constant([0.0] * (task.classes - 1) + [-1e9])
    log_probs = {name: tf.nn.log_softmax(tensor) for name, tensor in logits.items()}
    return Model(features, logits, log_probs)
