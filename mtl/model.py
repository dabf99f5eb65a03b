"""The network: a shared bottom and one top per task.

                       +-- length: dense, 7 classes
    images -- shared --+-- digit1: dense, 11 classes
                       |   ...
                       +-- digit5: dense, 11 classes

Your own tasks have other names and kinds. A network may take feature vectors instead of images.
"""

from typing import Any, Dict, NamedTuple, Tuple

import tensorflow.compat.v1 as tf

from mtl import bottoms, config as config_lib, fields, kinds, layers, tops
from mtl.errors import UsageError
from mtl.tasks import CLASSES, NUMBER_TASKS, SHARED, check


class Layer(NamedTuple):
    """A layer with variables, and the tensor that the next layer takes."""

    scope: str  # "shared/conv1", "digit3"
    variables: Tuple[Any, ...]
    output: Any


class Model(NamedTuple):
    """The named tensors of a network. Dicts are in task order."""

    inputs: Any  # what the bottom takes, [batch, height, width, channels] or [batch, features]
    layers: Tuple[Layer, ...]  # of the bottom, in order
    features: Any  # float32 [batch, features]
    tops: Dict[str, Tuple[Layer, ...]]  # task name -> its hidden layers, then the last one
    logits: Dict[str, Any]  # task name -> float32 [batch, outputs]
    # Task name -> float32 [batch, outputs]: log probabilities of classes, values in their own unit.
    outputs: Dict[str, Any]
    log_probs: Dict[str, Any]  # the outputs of the tasks with a softmax


def to_float(images):
    """Convert uint8 pixels 0..255 to float32 0..1, for training and inference."""
    images = _of_type(images, tf.uint8, "pass float32 in 0..1 to model.build as they are")
    return tf.cast(images, tf.float32) / 255.0


def prepare(values, inputs):
    """Convert examples as a dataset delivers them to what `build` takes.

    Args:
      values: tensor [batch, *inputs.network_shape] of type inputs.dtype.
      inputs: inputs.Inputs.

    Returns:
      float32 of the same shape: pixels in 0..1, or features, standardised if inputs have a scale.
    """
    if inputs.dtype == "uint8":
        return to_float(values)
    if not inputs.mean:
        return values
    mean, std = (tf.constant(scale, tf.float32) for scale in (inputs.mean, inputs.std))
    return (values - mean) / std


def network_settings(config):
    """Return the arguments of `build` that training and inference share, as a dict.

    Args:
      config: config.Config.
    """
    return {
        "bottom": config.bottom,
        "top_units": fields.hidden_units(config.top_units),
        "absent": config.absent,
        "brightness": config.brightness,
    }


def build(
    images,
    *,
    tasks=NUMBER_TASKS,
    bottom="small",
    top_units=(),
    training=False,
    dropout=0.0,
    top_dropout=0.0,
    seed=0,
    step=None,
    precision="fp32",
    absent="x",
    brightness="ignore",
    towers=1,
):
    """Build the shared bottom and one top per task into the current graph.

    Args:
      images: float32 [batch, height, width, channels] in 0..1, or [batch, features].
      tasks: sequence of tasks.Task.
      bottom: str, one of config.BOTTOMS or module:function, or a function (inputs, **settings) ->
        features, float [batch, features]; settings are those of bottoms.mlp.
      top_units: sequence of int, the sizes of the hidden layers of each task.
      training: bool, whether dropout is on.
      dropout, top_dropout: float in [0, 1), the share of values set to 0 in training, in the
        bottom and in the hidden layers of the tasks.
      seed: int; with the scope names it decides initial weights and dropout masks.
      step: int64 scalar tensor, the step that keys the dropout masks, or None without dropout.
      precision: str, "fp32" or "bf16", of the bottom; variables and outputs are always float32.
      absent: str, "x" or "mask": whether the X of a digit is a class, or impossible.
      brightness: str, "ignore" or "keep": whether the mean of each image is subtracted, or 0.5.
      towers: int, parts of the batch that the bottom computes in parallel.

    Returns:
      Model.

    Raises:
      ValueError: a name is unknown, the tasks fail tasks.check, or images are not float32, of rank
        4 or 2 and of static size. Also raised by TensorFlow if the variables already exist.
      UsageError: the bottom needs images, or module:function fails.
    """
    for name, value in (("precision", precision), ("absent", absent), ("brightness", brightness)):
        config_lib.check(name, value)
    check(tasks, absent)
    inputs = _centred(_checked(images), brightness)
    settings = {"dropout": dropout if training else 0.0, "seed": seed, "step": step}
    with tf.variable_scope(SHARED):
        # Only the bottom computes in bfloat16: its 8 bits of precision are too few for the losses.
        inputs = tf.cast(inputs, tf.bfloat16 if precision == "bf16" else tf.float32)
        built = _build_bottom(bottom, inputs, towers=towers, **settings)
        features = tf.cast(built.features, tf.float32)
    settings["dropout"] = top_dropout if training else 0.0
    return Model(
        inputs=inputs,
        layers=_shared_layers(built),
        features=features,
        **_build_tops(features, tasks, top_units, absent, settings),
    )


def _build_tops(features, tasks, units, absent, settings):
    """Build the tops; return the fields tops, logits, outputs and log_probs of a Model, as a dict.

    Args:
      features: float32 [batch, features].
      tasks, absent: as `build`.
      units: sequence of int, of the hidden layers.
      settings: dict, the dropout, seed and step of the hidden layers.
    """
    hidden, logits = {}, {}
    for task in tasks:
        hidden[task.name] = tops.hidden(features, task, units, **settings)
        last = [features, *hidden[task.name].values()][-1]
        logits[task.name] = tops.dense(last, task, seed=settings["seed"], absent=absent)
    outputs = {task.name: kinds.find(task.kind).output(logits[task.name], task) for task in tasks}
    return {
        "tops": {name: _top(name, hidden[name], logits[name]) for name in logits},
        "logits": logits,
        "outputs": outputs,
        "log_probs": {task.name: outputs[task.name] for task in tasks if task.kind == CLASSES},
    }


def _centred(inputs, brightness):
    """Subtract the mean of each image, or 0.5. Feature vectors are unchanged."""
    if inputs.shape.rank == 2:
        return inputs
    if brightness == "keep":
        return inputs - 0.5
    # As in Goodfellow et al. 2013, section 5.1: brightness says nothing about a number.
    return inputs - tf.reduce_mean(inputs, axis=[1, 2, 3], keepdims=True)


def _build_bottom(bottom, inputs, **settings):
    """Build a bottom, given by name or as a function; return a bottoms.Bottom."""
    if callable(bottom):
        built = bottom(inputs, **settings)
    elif bottom in config_lib.BOTTOMS:
        try:
            built = getattr(bottoms, bottom)(inputs, **settings)
        except UsageError as error:
            raise UsageError(f"--bottom={bottom}: {error}") from None
    else:
        config_lib.check("bottom", bottom)
        built = fields.call_own("bottom", bottom, inputs, **settings)
    # A function may return only its features.
    built = built if isinstance(built, bottoms.Bottom) else bottoms.Bottom(built, {})
    found = built.features
    valid = tf.is_tensor(found) and found.dtype.is_floating
    if not valid or found.shape.rank != 2 or found.shape[1] is None:
        what = " ".join(f"returned {found!r}".split())[:200]
        raise UsageError(f"bottom {bottom}: {what}; return float features [batch, features]")
    return built


def _shared_layers(built):
    """Return the Layers of a bottom; a bottom without named layers counts as one layer."""
    if not built.ends:
        return (_layer(SHARED, built.features),)
    return tuple(_layer(f"{SHARED}/{name}", end) for name, end in built.ends.items())


def _top(name, hidden, logits):
    """Return the Layers of a task; hidden: see tops.hidden."""
    layers_of = [_layer(scope, end) for scope, end in hidden.items()]
    last = _layer(name, logits)
    # The scope of the last layer contains the hidden layers.
    parent = f"{last.scope}/"
    own = [each for each in last.variables if "/" not in layers.name_of(each).removeprefix(parent)]
    return (*layers_of, last._replace(variables=tuple(own)))


def _layer(scope, output):
    """Return the Layer of a scope, with the trainable variables under it."""
    full_name = "/".join(filter(None, [tf.get_variable_scope().name, scope]))
    return Layer(full_name, tuple(tf.trainable_variables(scope=f"{full_name}/")), output)


def _checked(images):
    """Return images as a tensor; raise ValueError if `build` cannot use them."""
    cure = "use model.to_float for uint8 pixels, tf.cast(images, tf.float32) for other floats"
    images = _of_type(images, tf.float32, cure)
    if images.shape.rank != 2:
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
