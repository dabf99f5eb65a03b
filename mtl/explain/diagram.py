"""The diagram of a training graph: the shared layers, a top and a loss for each task, the cost.

The structure comes from the record that train.build returns. The words come from the types of the
operations between two recorded tensors.
"""

import collections
import itertools
import math
from typing import Any, NamedTuple

from mtl import kinds
from mtl.explain.lines import Explained

ADDS = ("Add", "AddV2")
_RESIDUAL, _CENTRED = "residual", "mean subtracted"
_APPLY = "ResourceApply"  # an optimiser updates a variable with ResourceApplyAdam, ...
_KINDS = {2: "dense", 3: "locally connected", 4: "convolution"}  # by the rank of the weights
# Words for one or more consecutive operations, by their types. An empty word is not shown.
_WORDS = {
    ("RealDiv", "Select"): "dropout",
    ("Minimum", "Maximum"): "clip",
    ("Cast", "RealDiv"): "scaled to 0..1",
    ("Sub",): _CENTRED,
    ("Relu",): "relu",
    ("MaxPool",): "max pooling",
    ("Max",): "maxout",
    ("Mean",): "mean",
    ("Log",): "log",
    ("Add",): _RESIDUAL,
    ("AddV2",): _RESIDUAL,
    ("BatchMatMulV2",): "",
    ("BiasAdd",): "",
    ("Cast",): "",
    ("Conv2D",): "",
    ("ExtractImagePatches",): "",
    ("Identity",): "",
    ("MatMul",): "",
    ("ReadVariableOp",): "",
    ("Reshape",): "",
    ("Transpose",): "",
}
_LONGEST = max(map(len, _WORDS))
_SHAPES = ("Shape", "OnesLike", "ZerosLike")  # their outputs depend only on the shape of an input


class Layer(NamedTuple):
    """A layer with variables, up to the tensor that the next layer takes."""

    scope: str
    kind: str  # "3x3 convolution", "dense", ...
    then: tuple[str, ...]  # "relu", "max pooling", ...
    shape: tuple[int, ...]  # of its output, without the batch
    parameters: int


class Step(NamedTuple):
    """A step of a computation, in words."""

    word: str
    op: str  # name of its last operation


class Task(NamedTuple):
    """A top and its loss."""

    name: str
    hidden: tuple[Layer, ...]  # the layers of the top before the last one
    top: Layer  # the last layer
    output: str  # what the network makes of the logits, see OUTPUT of mtl/kinds
    steps: tuple[Step, ...]  # from the logits to the term: "cross entropy", "mean", "clip", "log"
    loss: tuple[str, ...]  # names of the operations of those steps; the last one makes the term


class Diagram(NamedTuple):
    """The parts of a training graph, in the order of the data."""

    inputs: tuple[int, ...]  # shape of an example: height, width, channels, or features
    before: tuple[str, ...]  # words for the preprocessing of an example
    shared: tuple[Layer, ...]
    tasks: tuple[Task, ...]  # in the order in which the cost adds them
    # Names of the operations that add up the terms; the last makes the cost. Empty if an objective
    # of the user does not add them.
    adds: tuple[str, ...]
    optimizer: str  # "Adam"
    updated: int  # number of variables that it updates
    parameters: int  # number of values in all layers


def of(explained: Explained) -> Diagram:
    """Return the diagram of an explained graph.

    Raises:
      LookupError: a recorded tensor does not depend on the one before it.
    """
    named = explained.named
    network = named.network
    shared = []
    taken = network.inputs.op
    for layer in network.layers:
        shared.append(_layer(layer, taken))
        taken = layer.output.op
    kind_of = {task.name: kinds.find(task.kind) for task in explained.tasks}
    tasks = [_task(name, kind_of[name], named) for name in named.terms]
    layers = [*shared, *itertools.chain(*(layers_of(task) for task in tasks))]
    return Diagram(
        inputs=_shape(named.inputs),
        before=_preprocessing(path(named.inputs.op, network.inputs.op)),
        shared=tuple(shared),
        tasks=tuple(tasks),
        adds=_adds(named),
        optimizer=optimizer(explained),
        updated=len(named.gradients),
        parameters=sum(layer.parameters for layer in layers),
    )


def _preprocessing(ops):
    """Return the words for the operations between the placeholder and the first layer."""
    if [op.type for op in ops] == ["Sub", "RealDiv"]:  # of features; see model.prepare
        return ("standardised",)
    return tuple(step.word for step in _steps(ops))


def layers_of(task: Task) -> tuple[Layer, ...]:
    """Return the layers of a top in the order of the data."""
    return (*task.hidden, task.top)


def _layer(layer, taken):
    """Return the Layer of a model.Layer; `taken` is the operation whose output it takes."""
    weights = max(layer.variables, key=_size, default=None)
    start = taken if weights is None else weights.op
    steps = _steps(path(start, layer.output.op), taken)
    return Layer(
        scope=layer.scope,
        kind=_kind(weights),
        then=tuple(step.word for step in steps),
        shape=_shape(layer.output),
        parameters=sum(map(_size, layer.variables)),
    )


def _kind(weights):
    """Return the kind of a layer with these weights: "dense", ...; "layer" if unknown."""
    if weights is None:
        return "layer"
    sizes = weights.shape.as_list()
    kind = _KINDS.get(len(sizes), "layer")
    return f"{sizes[0]}x{sizes[1]} {kind}" if kind == "convolution" else kind


def _task(name, kind, named):
    """Return the Task of a name; kind: its module of mtl/kinds."""
    network = named.network
    loss = path(network.logits[name].op, named.terms[name].op)
    while loss[0].type == "Reshape":  # TensorFlow flattens the logits for its cross entropy
        loss = loss[1:]
    hidden, taken = [], network.features.op
    for layer in network.tops[name][:-1]:
        hidden.append(_layer(layer, taken))
        taken = layer.output.op
    return Task(
        name=name,
        hidden=tuple(hidden),
        top=_layer(network.tops[name][-1], taken),
        output=kind.OUTPUT,
        steps=_loss_steps(loss, named.losses[name].op, kind.LOSS),
        loss=tuple(op.name for op in loss),
    )


def _loss_steps(ops, recorded, word):
    """Return the Steps from the logits to the term: the loss of an example, its mean, the others.

    Args:
      ops: the operations between them.
      recorded: the operation of the recorded mean; the objective answer makes means of its own.
      word: for the loss of an example.
    """
    means = [op for op in ops if op is recorded or op.type == "Mean"]
    if not means:
        return tuple(_steps(ops))
    end = ops.index(means[-1]) + 1
    mean = "mean" if means[-1].type == "Mean" else "mean of labelled"
    first = [Step(word, ops[0].name)] if end > 1 else []
    return (*first, Step(mean, means[-1].name), *_steps(ops[end:]))


def _adds(named):
    """Return the names of the adds between the terms and the cost, in graph order.

    They are empty if other operations are between them, or the terms are not those of a sum.
    """
    terms = {term.op for term in named.terms.values()}
    between, todo = set(), [named.cost.op]
    while todo:
        op = todo.pop()
        if op not in terms and op not in between:
            between.add(op)
            todo += [tensor.op for tensor in op.inputs]
    if len(between) != len(terms) - 1 or not all(op.type in ADDS for op in between):
        return ()
    return tuple(op.name for op in named.cost.graph.get_operations() if op in between)


def optimizer(explained: Explained) -> str:
    """Return the name of the optimiser, or "" if the graph updates no variable."""
    for op in explained.ops.values():
        if op.type.startswith(_APPLY):
            return op.type.removeprefix(_APPLY)
    return ""


def path(start: Any, end: Any) -> list[Any]:
    """Return the operations on the shortest path of data from `start`, excluded, to `end`.

    Raises:
      LookupError: `end` does not depend on `start`.
    """
    after = {end: None}
    queue = collections.deque([end])
    while queue:
        op = queue.popleft()
        if op is start:
            return _followed(after, start)
        for tensor in [] if op.type in _SHAPES else op.inputs:
            if tensor.op not in after:
                after[tensor.op] = op
                queue.append(tensor.op)
    raise LookupError(f"the operation {end.name} does not depend on {start.name}")


def _followed(after, start):
    """Return the operations after `start`. `after` maps each one to the next, the last to None."""
    ops = []
    op = after[start]
    while op is not None:
        ops.append(op)
        op = after[op]
    return ops


def _steps(ops, taken=None):
    """Return the Steps of a path of operations.

    An add is a step only if it adds the output of the operation `taken`; other adds are of a bias.
    """
    steps = []
    while ops:
        word, count = _phrase([op.type for op in ops[:_LONGEST]])
        done, ops = ops[:count], ops[count:]
        if word == _RESIDUAL and taken not in [tensor.op for tensor in done[-1].inputs]:
            continue
        if word == _CENTRED and done[-1].inputs[1].op.type == "Const":
            word = "constant subtracted"
        if word:
            steps.append(Step(word, done[-1].name))
    return steps


def _phrase(types):
    """Return the word for the longest known run of first operations, and the length of the run."""
    for count in range(len(types), 0, -1):
        word = _WORDS.get(tuple(types[:count]))
        if word is not None:
            return word, count
    return types[0], 1


def _shape(tensor):
    """Return the shape of a tensor without the batch."""
    return tuple(tensor.shape.as_list()[1:])


def _size(variable):
    """Return the number of values in a variable."""
    return math.prod(variable.shape.as_list())
