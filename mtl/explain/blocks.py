"""Group operations into blocks: image, a layer, a top, a loss, cost, step, rate, Adam, watched.

The blocks come from the recorded tensors of the graph. An operation belongs to the first recorded
tensor, in the order of the data, that depends on it.
"""

import itertools
from collections.abc import Iterable
from typing import Any

from mtl.explain.diagram import Diagram
from mtl.explain.lines import FORWARD, GRADIENT, GRADIENTS, UPDATE, Explained, Op

IMAGE = "image"  # or feature vectors
COST, RATE, STEP, WATCHED = "cost", "learning_rate", "global_step", "watched"
SHARED, TOPS, LOSSES = "shared", "tops", "losses"  # parts of several blocks, see `part_of`
_TAKEN = (IMAGE, COST, RATE, STEP, WATCHED, "loss", "gradients")  # no name of the block of a top


def names(diagram: Diagram) -> list[str]:
    """Return the names of all blocks in the order of the data. They are also name scopes."""
    shared = [layer.scope for layer in diagram.shared]
    tops = [top(task.name) for task in diagram.tasks]
    losses = [f"loss/{task.name}" for task in diagram.tasks]
    return [IMAGE, *shared, *tops, *losses, COST, STEP, RATE, diagram.optimizer, WATCHED]


def top(task: str) -> str:
    """Return the name of the block of a top: that of its task, unless another block has it."""
    return f"{TOPS}/{task}" if task in _TAKEN else task


def part_of(diagram: Diagram, block: str) -> str:
    """Return the part of the graph that a block is in: SHARED, TOPS, LOSSES or the block itself.

    LOSSES contains the labels, the losses and the cost.
    """
    if block in [layer.scope for layer in diagram.shared]:
        return SHARED
    if block in [top(task.name) for task in diagram.tasks]:
        return TOPS
    return LOSSES if block == COST or block.startswith("loss/") else block


def assign(explained: Explained, diagram: Diagram) -> dict[str, str]:
    """Return the block of each operation, dict operation name -> block, in graph order.

    A gradient is in the block of the operation that it differentiates, an update in the block of
    its variable.

    Args:
      explained: lines.Explained.
      diagram: diagram.Diagram of the same graph.
    """
    ops = explained.ops
    blocks = _recorded(explained) | _updates(explained, diagram)
    rest = [name for name, op in ops.items() if name not in blocks and op.kind == FORWARD]
    # The cost does not depend on what combines the gradients, or on what an objective remembers.
    combined = [name for name in rest if _is_of_objective(explained.stack_of(ops[name]))]
    blocks |= dict.fromkeys(combined, COST)
    updates = [name for name, op in ops.items() if op.kind == UPDATE]
    unrecorded = {WATCHED: [explained.named.watched.op.name], RATE: updates}
    for block, starts in unrecorded.items():
        behind = _behind(ops, starts, set(blocks).difference(starts))
        blocks |= dict.fromkeys(behind.intersection(rest) - blocks.keys(), block)
    # Nothing recorded depends on the others, such as code of the user that is not used.
    before = IMAGE
    for name in rest:
        if name not in blocks:
            known = [blocks[each] for each in ops[name].inputs if each in blocks]
            blocks[name] = known[0] if known else before
        before = blocks[name]
    return {name: blocks[op.of if op.kind == GRADIENT else name] for name, op in ops.items()}


def _is_of_objective(stack):
    """Return whether a line of an objective made an operation."""
    return any(file.startswith("objectives/") for file, _ in stack)


def _recorded(explained):
    """Return dict operation name -> block, for all that a recorded tensor or variable needs."""
    named = explained.named
    network = named.network
    ends = {STEP: [named.step.initializer], IMAGE: [network.inputs.op]}
    for layer in network.layers:
        ends[layer.scope] = _ends(layer)
    ends[network.layers[-1].scope].append(network.features.op)
    for task, layers in network.tops.items():
        ends[top(task)] = [network.outputs[task].op, *itertools.chain(*map(_ends, layers))]
    blocks: dict[str, str] = {}
    for block, made in ends.items():
        behind = _behind(explained.ops, [op.name for op in made], set(blocks))
        blocks |= dict.fromkeys(behind - blocks.keys(), block)
    blocks |= _losses(explained, blocks)
    behind = _behind(explained.ops, [named.cost.op.name], set(blocks))
    return blocks | dict.fromkeys(behind - blocks.keys(), COST)


def _losses(explained, blocks):
    """Return the blocks of the operations of the losses and of the labels.

    The labelled examples of all tasks are counted together. So an operation that several losses
    depend on is in the loss of the task whose labels it takes; with the labels of several tasks, it
    is in COST.

    Args:
      explained: lines.Explained.
      blocks: dict operation name -> block, of the operations before the losses.
    """
    named, ops = explained.named, explained.ops
    known, found, shared = set(blocks), {}, set()
    for task, term in named.terms.items():
        for name in _behind(ops, [term.op.name], known) - known:
            if name in found:
                shared.add(name)
            found[name] = f"loss/{task}"
    labels = {each.op.name: task for task, each in named.labels.items()}
    taken = {}  # operation name -> the tasks whose labels it takes
    for name in (name for name in ops if name in found):
        taken[name] = {labels[name]} if name in labels else set()
        for source in ops[name].inputs:
            taken[name] |= taken.get(source, set())
    for name in shared:
        found[name] = f"loss/{min(taken[name])}" if len(taken[name]) == 1 else COST
    return found


def _ends(layer):
    """Return the operations that end a layer: those of its output and its initial weights."""
    return [layer.output.op, *(variable.initializer for variable in layer.variables)]


def _updates(explained, diagram):
    """Return the blocks of the operations of the optimiser.

    They are not recorded, but their names contain the variable: Adam names a slot VARIABLE/Adam and
    an update Adam/update_VARIABLE/ResourceApplyAdam, also inside a branch of tf.cond.
    """
    network = explained.named.network
    layers = {layer.scope: [layer] for layer in network.layers}
    layers |= {top(task): each for task, each in network.tops.items()}
    scopes = {}
    for block, own in layers.items():
        for variable in itertools.chain(*(layer.variables for layer in own)):
            scopes[variable.op.name] = block
    blocks = {}
    for name, op in explained.ops.items():
        if op.kind == UPDATE:
            found = [
                scope
                for variable, scope in scopes.items()
                if name.startswith(f"{variable}/") or f"update_{variable}/" in name
            ]
            blocks[name] = found[0] if found else diagram.optimizer
    return blocks


def _behind(ops: dict[str, Op], ends: Iterable[str], known: set[str]) -> set[str]:
    """Return the names of `ends` and of all operations that they depend on.

    The search stops at `known` operations and includes them.
    """
    seen, todo = set(), list(ends)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            if name not in known:
                todo += ops[name].inputs
    return seen


def scoped(explained: Explained, diagram: Diagram) -> Any:
    """Return the graph for TensorBoard: each operation in the name scope of its block.

    Gradients and updates have their own scopes. With 15 or more scopes at the root, TensorBoard
    moves those with many edges, here all, out of the drawing. So the learning rate is inside the
    optimiser, and operations that are only watched are removed.

    Args:
      explained: lines.Explained.
      diagram: Diagram of the same graph.

    Returns:
      tf.GraphDef with shapes. Its names are not those in a checkpoint.
    """
    blocks = assign(explained, diagram)
    new = {
        name: _scoped_name(op, blocks[name], diagram.optimizer)
        for name, op in explained.ops.items()
    }
    removed = _only_watched(explained.ops, blocks)
    graph = explained.graph.as_graph_def(add_shapes=True)
    kept = [node for node in graph.node if node.name not in removed]
    del graph.node[:]
    graph.node.extend(kept)
    for node in graph.node:
        _rename(node, new)
    return graph


def _scoped_name(op, block, optimizer):
    """Return the name of an operation in the scope of its block."""
    if op.kind == UPDATE:
        block = optimizer
    elif block == RATE:
        block = f"{optimizer}/{RATE}"
    prefix = GRADIENTS if op.kind == GRADIENT else ""
    name = op.name.removeprefix(prefix)
    if name == block or name.startswith(f"{block}/"):
        return prefix + name
    return f"{prefix}{block}/{name}"


def _only_watched(ops, blocks):
    """Return the names of the watched operations, or an empty set if others depend on them."""
    watched = {name for name, block in blocks.items() if block == WATCHED}
    others = [op for op in ops.values() if op.name not in watched]
    return set() if any(watched.intersection(op.inputs) for op in others) else watched


def _rename(node, new):
    """Rename a node of a GraphDef and its references; new: dict old name -> new name."""
    node.name = new[node.name]
    for index, source in enumerate(node.input):
        control = "^" if source.startswith("^") else ""
        name, colon, output = source.removeprefix("^").partition(":")
        node.input[index] = f"{control}{new[name]}{colon}{output}"
    if "_class" in node.attr:
        colocated = node.attr["_class"].list.s
        for index, name in enumerate(colocated):
            colocated[index] = f"loc:@{new[name.decode().removeprefix('loc:@')]}".encode()
