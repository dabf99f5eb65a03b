"""The graph of an exported model: a frozen network between its inputs and its outputs.

    images (encoded) -> pixels -> views -> network -> average -> number, confidence, ...

`pixels` can be fed directly. So both signatures share one network.
"""

from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import kinds, tasks as tasks_lib
from mtl.serving import signatures
from mtl.serving.export import canonical, decoded, encoded, fusion, views
from mtl.serving.export.freeze import Frozen
from mtl.serving.signatures import DEFAULT, PIXELS, Signature


class Exported(NamedTuple):
    """The graph of a model. The name of an input or output is that of its operation."""

    graph_def: Any  # tf.GraphDef
    signatures: dict[str, Signature]


def build(frozen: Frozen, *, count: int, temperature: float, text: bool = True) -> Exported:
    """Build the graph of a model.

    Args:
      frozen: the network.
      count: views of each image to average, see mtl.inference.views. Only for numbers.
      temperature: calibrates the probabilities. Only for numbers.
      text: whether the format has strings. Otherwise the only signature is `pixels`, or that of
        features, and a number is given as classes.
    """
    run = frozen.run
    wanted = signatures.of(run.tasks, run.inputs) if text else arrays(run.tasks, run.inputs)
    with tf.Graph().as_default() as graph:
        taken = _inputs(wanted, run.inputs)
        seen = views.views(taken, count, run.inputs)
        outputs = tf.graph_util.import_graph_def(
            frozen.graph_def,
            input_map={frozen.taken: _joined(seen)},
            return_elements=list(frozen.outputs.values()),
            name="network",
        )
        outputs = views.average(dict(zip(frozen.outputs, outputs)), count)
        with tf.name_scope("outputs"):
            found = _outputs(outputs, run.tasks, temperature, text)
        for tensor in next(iter(wanted.values())).outputs:
            each = tf.cast(found[tensor.name], tensor.dtype)
            tf.identity(tf.ensure_shape(each, [None, *tensor.shape]), name=tensor.name)
    graph_def = graph.as_graph_def()
    canonical.renamed(graph_def)
    # Only TensorFlow fuses what `prevented` keeps apart; the formats without text run elsewhere.
    return Exported(fusion.prevented(graph_def) if text else graph_def, wanted)


def _joined(seen):
    """Join views along the batch."""
    if len(seen) == 1:
        return seen[0]
    return tf.concat(seen, axis=0)


def arrays(tasks, inputs) -> dict[str, Signature]:
    """Return the only signature of a format without strings, by name."""
    found = signatures.of(tasks, inputs)
    name = PIXELS if inputs.is_images else DEFAULT
    outputs = [each for each in found[name].outputs if each.dtype != signatures.STRING]
    if tasks_lib.is_numbers(tasks):
        outputs.insert(0, decoded.CLASSES)
    return {name: found[name]._replace(outputs=tuple(outputs))}


def _inputs(wanted, inputs):
    """Make the inputs of all signatures; return images before the crop, or features."""
    if PIXELS not in wanted:
        return _placeholder(wanted[DEFAULT].input)
    tensor = wanted[PIXELS].input
    if DEFAULT not in wanted:
        return _placeholder(tensor)
    images = _placeholder(wanted[DEFAULT].input)
    with tf.name_scope("decode"):
        found = encoded.pixels(images, inputs)
    return tf.placeholder_with_default(found, [None, *tensor.shape], name=tensor.name)


def _placeholder(tensor):
    return tf.placeholder(tensor.dtype, [None, *tensor.shape], name=tensor.name)


def _outputs(outputs, tasks, temperature, text):
    """Return the outputs of the signatures, dict name -> tensor."""
    if tasks_lib.is_numbers(tasks):
        return decoded.outputs(outputs, temperature, text=text)
    found = {}
    for task in tasks:
        for key, value in kinds.find(task.kind).serving(outputs[task.name], task).items():
            found[f"{task.name}_{key}"] = value
    return found
