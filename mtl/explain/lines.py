"""Which line of the source made which operation of a training graph, and which operation each gradient belongs to.

TensorFlow keeps with every operation the Python stack it was made under. The lines of that stack that lie in the core are the
operation's: the innermost is the line that made it, the others are the lines that called for it. A gradient is made by no line of
ours but the one that asks for all gradients, so it goes to the operation whose gradient it is.
"""

import ast
import dataclasses
import functools
import itertools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl import answer, bottoms, layers, losses, model, train
from mtl.config import Config

SOURCES = {
    os.path.basename(module.__file__): module.__file__
    for module in (train, model, bottoms, layers, answer, losses)
}
FORWARD, GRADIENT, UPDATE = "forward", "gradient", "update"  # what an operation is for
KINDS = (FORWARD, GRADIENT, UPDATE)
GRADIENTS = "gradients/"  # the scope that tf.gradients opens; within it, one scope X_grad for each operation X

Line = tuple[str, int]  # (a key of SOURCES, line number from 1)


class Op(NamedTuple):
    """One operation of the graph, as plain data."""

    name: str
    type: str  # "Conv2D", ...
    outputs: tuple[str, ...]  # "float32 [?, 27, 27, 48]", one a tensor that comes out
    inputs: tuple[str, ...]  # names of the operations whose tensors go in
    waits_for: tuple[
        str, ...
    ]  # names of the operations that must be done before, without handing over a tensor
    kind: str  # one of KINDS
    of: str  # GRADIENT: the name of the operation whose gradient it computes; else ""
    stack: tuple[Line, ...]  # the lines that called for it, outermost first; the last made it


class Explained(NamedTuple):
    """A training graph and where each of its operations comes from."""

    config: Config
    graph: Any  # tf.Graph
    named: train.Graph  # its named tensors
    ops: dict[str, Op]  # all of them by name, in the order they were made

    def stack_of(self, op: Op) -> tuple[Line, ...]:
        """Return the lines that an operation is shown under: its own, or for a gradient those of the operation whose gradient it is."""
        return self.ops[op.of].stack if op.kind == GRADIENT else op.stack

    def all_lines_of(self, op: Op) -> tuple[Line, ...]:
        """Return the lines of `stack_of` after those that a gradient was asked for by; the last is the one it is shown under."""
        return (
            tuple(dict.fromkeys(op.stack + self.stack_of(op))) if op.kind == GRADIENT else op.stack
        )


def explain(config: Config) -> Explained:
    """Build the training graph of a Config, with one tower, and assign each operation to a line.

    For the answer's objective the graph is built by answer.py itself, whose graph is that of losses.log_sum, node for node.

    Args:
      config: Config; `threads` is not minded.

    Returns:
      Explained.

    Raises:
      LookupError: an operation has no line, or a gradient no operation that it is of.
    """
    config = dataclasses.replace(
        config, threads=1
    )  # one tower: the parts of a batch would show the same lines twice
    with tf.Graph().as_default() as graph:
        of_the_answer = config.objective == "log_sum" and config.absent == "x"
        named = train.build(config, objective=answer.cost if of_the_answer else None)
    return Explained(config, graph, named, assign(graph, named.cost, named.minimize))


def assign(graph: Any, cost: Any, minimize: Any) -> dict[str, Op]:
    """Assign every operation of a training graph to the line that made it.

    Args:
      graph: tf.Graph.
      cost: tensor, whose gradients are in the graph.
      minimize: operation or tensor that stands for the training step.

    Returns:
      dict name -> Op, of all operations; those inside of functions (the branches of a tf.cond) follow the operation that calls them.

    Raises:
      LookupError: as `explain`.
    """
    functions = {
        function.signature.name: function for function in graph.as_graph_def().library.function
    }
    step = _stack(getattr(minimize, "op", minimize))[-1]
    ops = []
    for op in graph.get_operations():
        frames = {frame.name for frame in op.traceback}
        stack = _stack(op)
        if not stack:
            raise LookupError(f"no line of {', '.join(SOURCES)} made the operation {op.name}")
        gradient = "compute_gradients" in frames
        update = not gradient and ("apply_gradients" in frames or stack[-1] == step)
        kind = GRADIENT if gradient else UPDATE if update else FORWARD
        of = forward_of(op, graph, cost.op).name if gradient else ""
        inputs = tuple(dict.fromkeys(tensor.op.name for tensor in op.inputs))
        waits_for = tuple(other.name for other in op.control_inputs)
        ops.append(
            Op(
                op.name,
                op.type,
                tuple(map(_described, op.outputs)),
                inputs,
                waits_for,
                kind,
                of,
                stack,
            )
        )
        for branch in ("then_branch", "else_branch"):
            if branch in op.node_def.attr:
                for node in functions[op.node_def.attr[branch].func.name].node_def:
                    ops.append(
                        Op(
                            f"{op.name}/{branch}:{node.name}",
                            node.op,
                            (),
                            (op.name,),
                            (),
                            kind,
                            of,
                            stack,
                        )
                    )
    return {op.name: op for op in ops}


def forward_of(op: Any, graph: Any, cost: Any) -> Any:
    """Return the operation whose gradient a gradient operation computes.

    Most lie in a scope named after it. Where several operations use one tensor, its gradients are added up outside of any such scope: the
    sum belongs to what made the tensor. Where a gradient is wanted of an output that nobody uses, zeros stand for it: they belong to the
    operation with that output. The gradient of the cost by itself, 1, belongs to the cost.

    Raises:
      LookupError: there is none.
    """
    scope = op.name.removeprefix(GRADIENTS)
    if "_grad/" in scope:
        return graph.get_operation_by_name(scope[: scope.index("_grad/")])
    if op.type == "AddN":
        shared = set.intersection(
            *(
                {tensor.op for tensor in forward_of(part.op, graph, cost).inputs}
                for part in op.inputs
            )
        )
        like = [
            each
            for each in shared
            if any(out.shape.as_list() == op.outputs[0].shape.as_list() for out in each.outputs)
        ]
        if len(like) == 1:
            return like[0]
    elif op.type == "ZerosLike":
        return op.inputs[0].op
    elif scope in ("Shape", "grad_ys_0", "grad_ys_0/Const"):
        return cost
    raise LookupError(f"the gradient {op.name} is of no operation that could be found")


def source_of(line: Line) -> str:
    """Return the text of a line of the source, without the space around it; of a call that goes on for lines also its last argument."""
    text = read_source(line[0])[line[1] - 1].strip()
    if text.endswith("("):
        tree = ast.parse("\n".join(read_source(line[0])))
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and node.lineno == line[1] and node.args
        ]
        text += f"..., {ast.unparse(calls[0].args[-1])})" if calls else ""
    return text


@functools.cache
def read_source(name: str) -> Sequence[str]:
    """Return the lines of one of SOURCES."""
    with open(SOURCES[name], encoding="utf-8") as file:
        return file.read().splitlines()


def _stack(op):
    """Return the lines of the core that an operation was made under, outermost first."""
    names = {path: name for name, path in SOURCES.items()}
    lines = [
        (names[frame.filename], frame.lineno) for frame in op.traceback if frame.filename in names
    ]
    return tuple(
        line for line, _ in itertools.groupby(lines)
    )  # a comprehension is a frame of its own in Python 3.11, and none in 3.12


def _described(tensor):
    """Return "float32 [?, 27, 27, 48]" for a tensor."""
    if tensor.shape.rank is None:
        return f"{tensor.dtype.base_dtype.name} of unknown shape"
    return f"{tensor.dtype.base_dtype.name} [{', '.join('?' if size is None else str(size) for size in tensor.shape.as_list())}]"
