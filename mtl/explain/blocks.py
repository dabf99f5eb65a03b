"""Which part of the diagram each operation belongs to: image, a layer, a top, a loss, the cost, the learning rate, Adam, the watch."""

from collections.abc import Iterable
from typing import Any

from mtl.explain.diagram import Diagram
from mtl.explain.lines import FORWARD, GRADIENT, GRADIENTS, UPDATE, Explained, Op

IMAGE, COST, RATE, STEP, WATCHED = "image", "cost", "learning_rate", "global_step", "watched"


def names(diagram: Diagram) -> list[str]:
    """Return the names of all blocks, in the order in which data goes through them; they serve as name scopes, too."""
    tasks = [task.name for task in diagram.tasks]
    shared, losses = [layer.scope for layer in diagram.shared], [f"loss/{task}" for task in tasks]
    return [IMAGE, *shared, *tasks, *losses, COST, STEP, RATE, diagram.optimizer, WATCHED]


def assign(explained: Explained, diagram: Diagram) -> dict[str, str]:
    """Assign each operation to a block: a gradient to that of the operation it is of, an update to that of its variable.

    Args:
      explained: lines.Explained.
      diagram: diagram.Diagram of the same graph.

    Returns:
      dict name of an operation -> name of a block, in the order of `explained.ops`.
    """
    ops = explained.ops
    layers = [
        *(layer.scope for layer in diagram.shared),
        *(task.top.scope for task in diagram.tasks),
    ]
    known = dict.fromkeys(diagram.adds, COST)
    for task in diagram.tasks:  # a loss begins where the logits come in; the labels are its own
        known |= dict.fromkeys(
            _behind(ops, [task.loss[-1]], {task.logits}) - {task.logits}, f"loss/{task.name}"
        )
    for name, op in ops.items():
        if name not in known and op.kind != GRADIENT:
            scopes = [
                scope
                for scope in layers
                if name.startswith(f"{scope}/") or op.kind == UPDATE and f"update_{scope}/" in name
            ]
            if scopes:
                known[name] = scopes[0]
            elif op.kind == UPDATE:
                known[name] = diagram.optimizer
    first = next(
        name
        for name in ops
        if known.get(name) == layers[0] and ops[name].type in ("Conv2D", "MatMul")
    )
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
    """Return the graph with each operation in the name scope of its block, gradients and updates in scopes of their own: to be looked at.

    TensorBoard draws the diagram of it while it has fewer than 15 scopes to begin with: from there on it takes those with many edges out
    of the picture, and here that leaves nothing. So the learning rate goes to the optimizer, and what is only watched is left out.

    Args:
      explained: lines.Explained.
      diagram: Diagram of the same graph.

    Returns:
      tf.GraphDef with shapes. Checkpoints know the names of `explained`, not these.
    """
    where, new = assign(explained, diagram), {}
    watched = {name for name, block in where.items() if block == WATCHED}
    if any(
        watched.intersection(op.inputs) for name, op in explained.ops.items() if name not in watched
    ):
        watched = set()  # whether a step counts may hang on it
    for name, op in explained.ops.items():
        inner = name.removeprefix(GRADIENTS) if op.kind == GRADIENT else name
        block = diagram.optimizer if op.kind == UPDATE else where[name]
        block = f"{diagram.optimizer}/{RATE}" if block == RATE else block
        inner = inner if inner == block or inner.startswith(f"{block}/") else f"{block}/{inner}"
        new[name] = GRADIENTS + inner if op.kind == GRADIENT else inner
    graph = explained.graph.as_graph_def(add_shapes=True)
    kept = [node for node in graph.node if node.name not in watched]
    del graph.node[:]
    graph.node.extend(kept)
    for node in graph.node:
        node.name = new[node.name]
        for place, source in enumerate(node.input):
            before, after = (
                ("^" if source.startswith("^") else ""),
                "".join(source.partition(":")[1:]),
            )
            node.input[place] = before + new[source.removeprefix("^").partition(":")[0]] + after
        beside = (
            [name.decode() for name in node.attr["_class"].list.s] if "_class" in node.attr else []
        )
        for place, name in enumerate(beside):
            node.attr["_class"].list.s[place] = f"loc:@{new[name.removeprefix('loc:@')]}".encode()
    return graph
