"""Which part of the diagram each operation belongs to: image, layer, top, labels, loss, cost, learning rate, Adam, what is watched."""

from collections.abc import Iterable
from typing import Any

from mtl.explain.diagram import Diagram
from mtl.explain.lines import FORWARD, GRADIENT, GRADIENTS, UPDATE, Explained, Op

IMAGE, COST, RATE, STEP, WATCHED = "image", "cost", "learning_rate", "global_step", "watched"


def names(diagram: Diagram) -> list[str]:
    """Return the names of all blocks, in the order in which data goes through them; they serve as name scopes, too."""
    tasks = [task.name for task in diagram.tasks]
    losses = [name for task in tasks for name in (f"labels/{task}", f"loss/{task}")]
    return [IMAGE, *(layer.scope for layer in diagram.shared), *tasks, *losses, COST, STEP, RATE, diagram.optimizer, WATCHED]


def assign(explained: Explained, diagram: Diagram) -> dict[str, str]:
    """Assign each operation to a block: a gradient to that of the operation it is of, an update to that of its variable.

    Args:
      explained: lines.Explained.
      diagram: diagram.Diagram of the same graph.

    Returns:
      dict name of an operation -> name of a block, in the order of `explained.ops`.
    """
    ops = explained.ops
    layers = [*(layer.scope for layer in diagram.shared), *(task.top.scope for task in diagram.tasks)]
    known = dict.fromkeys(diagram.adds, COST)
    for task in diagram.tasks:
        known |= dict.fromkeys(_labels(ops, task.loss[0]), f"labels/{task.name}")
        # What is reached first is kept: a loss ends where logits and labels come in.
        ends = {*known, task.logits}
        known |= dict.fromkeys(_behind(ops, [task.loss[-1]], ends) - ends, f"loss/{task.name}")
    for name, op in ops.items():
        if name not in known and op.kind != GRADIENT:
            scopes = [scope for scope in layers if name.startswith(f"{scope}/") or op.kind == UPDATE and f"update_{scope}/" in name]
            if scopes:
                known[name] = scopes[0]
            elif op.kind == UPDATE:
                known[name] = diagram.optimizer
    first = next(name for name in ops if known.get(name) == layers[0] and ops[name].type in ("Conv2D", "MatMul"))
    own = {name for name in known if known[name] in layers}
    known = dict.fromkeys(_behind(ops, ops[first].inputs, own) - own, IMAGE) | known
    watched = _behind(ops, [explained.named.watched.op.name], set(known))
    for name, op in ops.items():
        if name in known or op.kind != FORWARD:
            continue
        if name == STEP or name.startswith(f"{STEP}/"):
            known[name] = STEP
        elif any(file == "model.py" for file, _ in op.stack):
            known[name] = _neighbour(ops, op, known)
        else:
            known[name] = WATCHED if name in watched else RATE
    return {name: known[op.of] if op.kind == GRADIENT else known[name] for name, op in ops.items()}


def _labels(ops, cross_entropy):
    """Return the names of the operations that make the labels of a cross entropy."""
    name = ops[cross_entropy].inputs[1]
    while ops[name].type in ("Reshape", "StopGradient"):
        name = ops[name].inputs[0]
    return _behind(ops, [name], set())


def _behind(ops: dict[str, Op], starts: Iterable[str], ends: set[str]) -> set[str]:
    """Return the names of operations that others depend on, these included; those of `ends` are not looked behind."""
    seen, todo = set(), list(starts)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += ops[name].inputs if name not in ends else ()
    return seen


def _neighbour(ops, op, known):
    """Return the block of what an operation works on; of a constant, which works on nothing, that of what takes it."""
    for name in op.inputs:
        if name in known:
            return known[name]
    takers = [other for other in ops.values() if op.name in other.inputs and other.kind == FORWARD]
    for other in takers:
        if other.name in known:
            return known[other.name]
    return _neighbour(ops, takers[0], known)


def scoped(explained: Explained, diagram: Diagram) -> Any:
    """Return the graph with each operation in the name scope of its block, and gradients in those of their own: for TensorBoard to fold.

    Args:
      explained: lines.Explained.
      diagram: Diagram of the same graph.

    Returns:
      tf.GraphDef, node for node the same, with shapes. It is for looking at: checkpoints know the names of `explained`.
    """
    where, new = assign(explained, diagram), {}
    for name, op in explained.ops.items():
        inner = name.removeprefix(GRADIENTS) if op.kind == GRADIENT else name
        block = where[name]
        inner = inner if inner == block or inner.startswith(f"{block}/") else f"{block}/{inner}"
        new[name] = GRADIENTS + inner if op.kind == GRADIENT else inner
    graph = explained.graph.as_graph_def(add_shapes=True)
    for node in graph.node:
        node.name = new[node.name]
        for place, source in enumerate(node.input):
            before, after = ("^" if source.startswith("^") else ""), ("".join(source.partition(":")[1:]))
            node.input[place] = before + new[source.removeprefix("^").partition(":")[0]] + after
        beside = [name.decode() for name in node.attr["_class"].list.s] if "_class" in node.attr else []
        for place, name in enumerate(beside):
            node.attr["_class"].list.s[place] = f"loc:@{new[name.removeprefix('loc:@')]}".encode()
    return graph
