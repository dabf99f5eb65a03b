"""ONNX, for onnxruntime and other runtimes; without encoded images and text."""

import importlib.util
import os

from mtl.errors import DataError, UsageError

FORMAT = "onnx"
FILE = "model.onnx"
TEXT = False
_OPSET = 17  # of 2022, so that older runtimes read it too
_PACKAGES = ("tf2onnx", "onnx")


def check():
    """Raise UsageError if a package is missing."""
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            cure = "pip install 'mtl[onnx]'"
            raise UsageError(f"--format={FORMAT} needs the package {name}; install it: {cure}")


def write(exported, folder, options):
    """Convert the graph; see mtl.serving.formats."""
    from onnx import checker
    from tf2onnx import convert

    from mtl.checkpoint import first_line

    (signature,) = exported.signatures.values()
    names = [signature.input.name, *(each.name for each in signature.outputs)]
    tensors = [f"{name}:0" for name in names]
    try:
        model, _ = convert.from_graph_def(
            exported.graph_def,
            input_names=tensors[:1],
            output_names=tensors[1:],
            opset=_OPSET,
        )
    except Exception as error:  # the converter raises many types
        what = f"tf2onnx cannot convert this network ({first_line(error)})"
        raise DataError(f"{what}; use --format=saved_model") from error
    _canonical(model.graph, dict(zip(tensors, names)))
    for each in (*model.graph.input, *model.graph.output):
        each.type.tensor_type.shape.dim[0].dim_param = "n"
    try:
        checker.check_model(model)  # tf2onnx only logs operations that ONNX does not have
    except checker.ValidationError as error:
        what = f"ONNX cannot express this network ({first_line(error)})"
        raise DataError(f"{what}; use --format=saved_model") from error
    with open(os.path.join(folder, FILE), "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def _canonical(graph, names):
    """Order and name the nodes of a model by how its outputs are computed.

    tf2onnx keeps any one of several equal nodes, in an order that changes with each process.

    Args:
      graph: GraphProto, changed in place.
      names: dict old -> new, of the inputs and outputs.
    """
    producers = {name: node for node in graph.node for name in node.output}
    stored = {each.name for each in graph.initializer}
    nodes = _ordered(producers, [each.name for each in graph.output])
    renamed = dict(names)
    for index, node in enumerate(nodes):
        node.name = f"{node.op_type}_{index}"
        for taken in _taken(node):
            if taken in stored:
                renamed.setdefault(taken, f"constant_{len(renamed)}")
        for number, made in enumerate(node.output):
            renamed.setdefault(made, f"{node.name}_{number}" if number else node.name)
    _rename(nodes, renamed)
    constants = [each for each in graph.initializer if each.name in renamed]
    for each in (*graph.input, *graph.output, *constants):
        each.name = renamed[each.name]
    _replace(graph.node, nodes)
    _replace(graph.initializer, sorted(constants, key=lambda each: each.name))
    del graph.value_info[:]


def _ordered(producers, outputs):
    """Return the nodes that outputs need, each after those whose results it takes.

    Args:
      producers: dict tensor -> its node.
      outputs: list of str, tensors.
    """
    found, seen = [], set()
    waiting = [(name, False) for name in reversed(outputs)]
    while waiting:
        name, is_ready = waiting.pop()
        node = producers.get(name)
        if node is None:
            continue
        if is_ready:
            found.append(node)
        elif node.output[0] not in seen:
            seen.add(node.output[0])
            waiting.append((name, True))
            waiting += [(taken, False) for taken in reversed(_taken(node))]
    return found


def _parts(node):
    """Return the graphs inside a node: the branches of a condition, the body of a loop."""
    return [each.g for each in node.attribute if each.HasField("g")]


def _taken(node):
    """Return the tensors that a node takes, also within its graphs."""
    nested = [name for part in _parts(node) for inner in part.node for name in _taken(inner)]
    return [*node.input, *nested]


def _rename(nodes, names):
    """Rename the tensors of nodes and of their graphs; names: dict old -> new."""
    for node in nodes:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                tensors[index] = names.get(name, name)
        for part in _parts(node):
            _rename(part.node, names)


def _replace(field, messages):
    """Replace the messages of a repeated field."""
    copies = [each.SerializeToString(deterministic=True) for each in messages]
    del field[:]
    for each in copies:
        field.add().ParseFromString(each)
