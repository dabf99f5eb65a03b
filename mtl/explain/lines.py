"""Which line of the source made which operation of a training graph.

TensorFlow stores the Python stack of every operation. The innermost line of the core in that stack
made the operation; the outer lines called it. All gradients come from one line of graph.py, so a
gradient is shown under the line of the operation that it differentiates.
"""

import ast
import dataclasses
import functools
import itertools
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import (
    answer,
    bottoms,
    graph as graph_lib,
    kinds,
    layers,
    losses,
    model,
    objectives,
    optimizer,
    tops,
    train,
)
from mtl.config import Config
from mtl.inputs import Inputs
from mtl.tasks import Task, is_numbers, parse

_PACKAGE = os.path.dirname(train.__file__)
FORWARD, GRADIENT, UPDATE = "forward", "gradient", "update"
KINDS = (FORWARD, GRADIENT, UPDATE)
# The scope that tf.gradients opens, with a scope X_grad for operation X. A second call, such as one
# of an objective of the user, opens gradients_1.
GRADIENTS = "gradients/"
_GRADIENTS = re.compile(r"gradients(_\d+)?/")

Line = tuple[str, int]  # (a key of SOURCES, line number from 1)


def _sources():
    """Return the core files that make operations, dict name -> path, in reading order."""
    modules = (answer, graph_lib, model, bottoms, layers, tops, losses, optimizer)
    paths = [module.__file__ for module in modules]
    for package in (kinds, objectives):
        folder = pathlib.Path(package.__file__).parent
        paths += [str(path) for path in sorted(folder.rglob("*.py"))]
    return {os.path.relpath(path, _PACKAGE).replace(os.sep, "/"): path for path in paths}


SOURCES = _sources()


class Op(NamedTuple):
    """One operation of the graph, as plain data."""

    name: str
    type: str  # "Conv2D", ...
    outputs: tuple[str, ...]  # "float32 [?, 27, 27, 48]" for each output
    inputs: tuple[str, ...]  # names of the operations whose outputs it takes
    waits_for: tuple[str, ...]  # names of the operations that must run before it
    kind: str  # one of KINDS
    of: str  # of a gradient, the name of the operation that it differentiates; else ""
    stack: tuple[Line, ...]  # lines of the core, outermost first; the last made the operation


class Explained(NamedTuple):
    """A training graph and the source of each of its operations."""

    config: Config
    tasks: tuple[Task, ...]
    inputs: Inputs
    graph: Any  # tf.Graph
    named: train.Graph  # the record of its tensors
    ops: dict[str, Op]  # operation name -> Op, in graph order

    def stack_of(self, op: Op) -> tuple[Line, ...]:
        """Return the lines under which an operation is shown.

        These are its own lines, or for a gradient those of the operation that it differentiates.
        """
        return self.ops[op.of].stack if op.kind == GRADIENT else op.stack

    def all_lines_of(self, op: Op) -> tuple[Line, ...]:
        """Return `stack_of`; for a gradient, the lines that computed all gradients come first."""
        if op.kind != GRADIENT:
            return op.stack
        return tuple(dict.fromkeys(op.stack + self.stack_of(op)))


def explain(
    config: Config, *, tasks: Sequence[Task] | None = None, inputs: Inputs | None = None
) -> Explained:
    """Build the training graph of a Config and find the line of each operation.

    The graph has one tower, because more towers would repeat the same lines. The objective log_sum
    is shown as the objective answer, which computes the same cost in the answer's own lines. With
    --absent=mask or your own tasks, which answer does not support, it stays log_sum.

    Args:
      config: Config.
      tasks, inputs: as train.build.

    Raises:
      LookupError: an operation has no line of the core, or a gradient no forward operation.
    """
    config = dataclasses.replace(config, threads=1)
    tasks = tuple(tasks or parse(config.tasks))
    inputs = inputs or Inputs(crop=config.crop_size)
    with tf.Graph().as_default() as graph:
        named = train.build(_in_own_lines(config, tasks), tasks=tasks, inputs=inputs)
    return Explained(config, tasks, inputs, graph, named, assign(graph, named.cost, named.minimize))


def _in_own_lines(config, tasks):
    """Return a Config whose cost uses the lines of answer.py, if they support it."""
    if config.objective == "log_sum" and config.absent == "x" and is_numbers(tasks):
        return dataclasses.replace(config, objective="answer")
    return config


def assign(graph: Any, cost: Any, minimize: Any) -> dict[str, Op]:
    """Return all operations of a training graph with their lines.

    Args:
      graph: tf.Graph.
      cost: the tensor whose gradients the graph computes.
      minimize: the operation of one training step.

    Returns:
      dict operation name -> Op, in graph order. Operations inside a function (a branch of tf.cond)
      follow the operation that calls it.

    Raises:
      LookupError: see `explain`.
    """
    library = graph.as_graph_def().library.function
    functions = {function.signature.name: function for function in library}
    updater = _functions(getattr(minimize, "op", minimize))[-1]
    ops = {}
    for operation in graph.get_operations():
        op = _op(operation, cost.op, updater)
        ops[op.name] = op
        for branch in ("then_branch", "else_branch"):
            if branch in operation.node_def.attr:
                function = functions[operation.node_def.attr[branch].func.name]
                for node in function.node_def:
                    inner = _inside(op, branch, node)
                    ops[inner.name] = inner
    return ops


def _op(operation, cost, updater):
    """Return the Op of a TensorFlow operation; updater: the function that builds the train step."""
    stack = _stack(operation)
    if not stack:
        names = ", ".join(SOURCES)
        raise LookupError(f"no line of {names} made the operation {operation.name}")
    kind = UPDATE if updater in _functions(operation) else FORWARD
    if "compute_gradients" in {frame.name for frame in operation.traceback}:
        kind = GRADIENT
    return Op(
        name=operation.name,
        type=operation.type,
        outputs=tuple(map(_described, operation.outputs)),
        inputs=tuple(dict.fromkeys(tensor.op.name for tensor in operation.inputs)),
        waits_for=tuple(other.name for other in operation.control_inputs),
        kind=kind,
        of=forward_of(operation, cost).name if kind == GRADIENT else "",
        stack=stack,
    )


def _inside(op, branch, node):
    """Return the Op of a node in the function of a branch of an operation (tf.cond)."""
    name = f"{op.name}/{branch}:{node.name}"
    return op._replace(name=name, type=node.op, outputs=(), inputs=(op.name,), waits_for=())


def forward_of(op: Any, cost: Any) -> Any:
    """Return the operation that a gradient operation differentiates.

    Args:
      op: an operation that tf.gradients made.
      cost: the operation whose gradients it computes.

    Raises:
      LookupError: no such operation was found.
    """
    scope = _GRADIENTS.sub("", op.name, count=1)
    if "_grad/" in scope:
        return op.graph.get_operation_by_name(scope[: scope.index("_grad/")])
    # tf.gradients makes three kinds of operations outside such a scope.
    if op.type == "AddN":  # the sum of the gradients of a tensor with several consumers
        parts = [forward_of(part.op, cost) for part in op.inputs]
        taken = set.intersection(*({tensor.op for tensor in part.inputs} for part in parts))
        found = [each for each in taken if _has_output_like(each, op.outputs[0])]
        if len(found) == 1:
            return found[0]
    elif op.type == "ZerosLike":  # the gradient of an output without a consumer
        return op.inputs[0].op
    elif scope in ("Shape", "grad_ys_0", "grad_ys_0/Const"):  # 1, the gradient of the cost
        return cost
    raise LookupError(f"the gradient {op.name} has no matching forward operation")


def _has_output_like(op, tensor):
    """Return whether an output of an operation has the shape and the type of a tensor."""
    wanted = (tensor.shape.as_list(), tensor.dtype)
    return any((output.shape.as_list(), output.dtype) == wanted for output in op.outputs)


def source_of(line: Line) -> str:
    """Return the text of a line without indentation; an open call also shows its last argument."""
    text = read_source(line[0])[line[1] - 1].strip()
    if not text.endswith("("):
        return text
    for node in ast.walk(ast.parse("\n".join(read_source(line[0])))):
        if isinstance(node, ast.Call) and node.lineno == line[1] and node.args:
            return f"{text}..., {ast.unparse(node.args[-1])})"
    return text


@functools.cache
def read_source(name: str) -> Sequence[str]:
    """Return the lines of one of SOURCES."""
    with open(SOURCES[name], encoding="utf-8") as file:
        return file.read().splitlines()


def _frames(operation):
    """Return the stack frames of an operation that are in the core, outermost first."""
    files = set(SOURCES.values())
    return [frame for frame in operation.traceback if frame.filename in files]


def _stack(operation):
    """Return the lines of the core in the stack of an operation, outermost first."""
    names = {path: name for name, path in SOURCES.items()}
    lines = [(names[frame.filename], frame.lineno) for frame in _frames(operation)]
    # Up to Python 3.11 a comprehension has its own frame, on the same line.
    return tuple(line for line, _ in itertools.groupby(lines))


def _functions(operation):
    """Return (file, name) of the core functions in the stack of an operation, outermost first."""
    return [(frame.filename, frame.name) for frame in _frames(operation)]


def _described(tensor):
    """Return the type and shape of a tensor as text: "float32 [?, 27, 27, 48]"."""
    name = tensor.dtype.base_dtype.name
    if tensor.shape.rank is None:
        return f"{name} of unknown shape"
    sizes = ["?" if size is None else str(size) for size in tensor.shape.as_list()]
    return f"{name} [{', '.join(sizes)}]"
