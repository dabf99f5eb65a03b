"""The network: a shared bottom and one top per task.

                       +-- length: dense, 7 classes
    images -- shared --+-- digit1: dense, 11 classes
                       |   ...
                       +-- digit5: dense, 11 classes
"""

from typing import Any, Dict, NamedTuple, Tuple

import tensorflow.compat.v1 as tf

from mtl import bottoms, config as config_lib, layers, tops
from mtl.tasks import NUMBER_TASKS, SHARED, check


class Layer(NamedTuple):
    """A layer with variables, and the tensor that the next layer takes."""

    scope: str  # "shared/conv1", "digit3"
    variables: Tuple[Any, ...]
    output: Any


class Model(NamedTuple):
    """The named tensors of a network. Dicts are in task order."""

    inputs: Any  # what the bottom takes, [batch, height, width, channels]
    layers: Tuple[Layer, ...]  # of the bottom, in order
    features: Any  # float32 [batch, features]
    tops: Dict[str, Layer]  # task name -> its top
    logits: Dict[str, Any]  # task name -> float32 [batch, classes]
    log_probs: Dict[str, Any]  # task name -> float32 [batch, classes], the log of the softmax


def to_float(images):
    """Convert uint8 pixels 0..255 to float32 0..1, for training and inference."""
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
    """Build the shared bottom and one top per task into the current graph.

    Args:
      images: float32 [batch, height, width, channels] in 0..1, height and width static.
      tasks: sequence of tasks.Task.
      bottom: str, one of config.BOTTOMS, or a function (inputs, **settings) -> features, float
        [batch, features]; settings are those of bottoms.mlp.
      training: bool, whether dropout is on.
      dropout: float in [0, 1), the share of hidden values set to 0 in training.
      seed: int; with the scope names it decides all initial weights and dropout masks.
      step: int64 scalar tensor, the training step that keys the dropout masks, or None without
        dropout.
      precision: str, "fp32" or "bf16", what the bottom computes in. Variables, features and outputs
        are always float32.
      absent: str, "x" or "mask": whether the X of a digit is a class, or impossible.
      towers: int, parts of the batch that the bottom computes in parallel.

    Returns:
      Model.

    Raises:
      ValueError: a name is unknown, the tasks fail tasks.check, or images are not float32, of rank
        4 and of static size. Also raised by TensorFlow if the variables already exist.
    """
    config_lib.check("precision", precision)
    config_lib.check("absent", absent)
    check(tasks, absent)
    images = _checked(images)
    # The mean of each image is subtracted, as in Goodfellow et al. 2013, section 5.1: brightness
    # says nothing about the number.
    inputs = images - tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    settings = {"dropout": dropout if training else 0.0, "seed": seed, "step": step}
    with tf.variable_scope(SHARED):
        # Only the bottom computes in bfloat16: its 8 bits of precision are too few for the losses.
        inputs = tf.cast(inputs, tf.bfloat16 if precision == "bf16" else tf.float32)
        built = _build_bottom(bottom, inputs, towers=towers, **settings)
        features = tf.cast(built.features, tf.float32)
    logits = {task.name: tops.dense(features, task, seed=seed, absent=absent) for task in tasks}
    return Model(
        inputs=inputs,
        layers=_shared_layers(built),
        features=features,
        tops={name: _layer(name, tensor) for name, tensor in logits.items()},
        logits=logits,
        log_probs={name: tf.nn.log_softmax(tensor) for name, tensor in logits.items()},
    )


def _build_bottom(bottom, inputs, **settings):
    """Build a bottom, given by name or as a function; return a bottoms.Bottom."""
    if callable(bottom):
        built = bottom(inputs, **settings)
    else:
        config_lib.check("bottom", bottom)
        built = getattr(bottoms, bottom)(inputs, **settings)
    # A function may return only its features.
    return built if isinstance(built, bottoms.Bottom) else bottoms.Bottom(built, {})


def _shared_layers(built):
    """Return the Layers of a bottom; a bottom without named layers counts as one layer."""
    if not built.ends:
        return (_layer(SHARED, built.features),)
    return tuple(_layer(f"{SHARED}/{name}", end) for name, end in built.ends.items())


def _layer(scope, output):
    """Return the Layer of a scope, with the trainable variables under it."""
    full_name = "/".join(filter(None, [tf.get_variable_scope().name, scope]))
    return Layer(full_name, tuple(tf.trainable_variables(scope=f"{full_name}/")), output)


def _checked(images):
    """Return images as a tensor; raise ValueError if `build` cannot use them."""
    cure = "use model.to_float for uint8 pixels, tf.cast(images, tf.float32) for other floats"
    images = _of_type(images, tf.float32, cure)
    layers.check_rank(images, 4, SHARED)
    if None in images.shape.as_list()[1:]:
        found = f"got {images.name} of shape {images.shape}"
        raise ValueError(f"images need a static height, width and number of channels, {found}")
    return images


def _of_type(images, dtype, cure):
    """Return images as a tensor; raise ValueError, with a cure, if they are not of the dtype."""
    images = tf.convert_to_tensor(images)
    if images.dtype.base_dtype != dtype:
        found = f"{images.name} of type {images.dtype.base_dtype.name}"
        raise ValueError(f"images must be a tensor of type {dtype.name}, got {found}; {cure}")
    return images
