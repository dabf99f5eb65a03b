"""`mtl explain --format=text`: the lines in order, under each the operations it made and the gradients these brought in, counted."""

from collections.abc import Iterator

from mtl.explain import lines
from mtl.explain.lines import GRADIENT, KINDS, Explained, Line, Op

_WIDTH = 110  # characters of a line of the source that are shown


class _Node:
    """A line as it was called from one other: its own operations, and the lines that it called."""

    def __init__(self):
        self.own: dict[str, list[Op]] = {kind: [] for kind in KINDS}
        self.called: dict[Line, _Node] = {}


def render(explained: Explained) -> str:
    """Write the graph as text: first each line with how many operations it made, then the same with the operations.

    Args:
      explained: lines.Explained.

    Returns:
      str of many lines. The counts of the first part add up to all operations of the graph.
    """
    root = _tree(explained)
    config, total = explained.config, _count(list(explained.ops.values()))
    sums = ", ".join(f"{number:,} {kind}" for kind, number in zip(KINDS, total))
    head = [
        f"{config.bottom}, {config.objective}: {sum(total):,} operations: {sums}.",
        "forward: made by the line; gradient: made for what the line made, when all gradients were asked for; update: Adam's.",
        f"The line that asks for all gradients: {_shown(next(op.stack[-1] for op in explained.ops.values() if op.kind == GRADIENT))}",
        "",
        "1. Lines, in the order in which they made something; what a line called stands under it, further in.",
        "",
        f"{'forward':>8}{'gradient':>10}{'update':>8}",
    ]
    for depth, line, node in _walk(root):
        forward, gradient, update = (
            f"{len(node.own[kind]) or '':>{width}}" for kind, width in zip(KINDS, (8, 10, 8))
        )
        head.append(f"{forward}{gradient}{update}  {'  ' * depth}{_shown(line)}")
    head += [
        f"{'':>26}  " + "-" * 40,
        f"{total[0]:>8}{total[1]:>10}{total[2]:>8}  = {sum(total)}, all there are",
        "",
    ]
    head += ["2. Operations: what for, type, name, what comes out of it.", ""]
    for depth, line, node in _walk(root):
        head.append("  " * depth + _shown(line))
        space = "  " * depth + "    "
        head += [
            f"{space}{kind:<9}{op.type}  {op.name}  {', '.join(op.outputs)}".rstrip()
            for kind in KINDS
            for op in node.own[kind]
        ]
    return "\n".join(head)


def _tree(explained):
    """Sort all operations under their lines."""
    root = _Node()
    for op in explained.ops.values():
        node = root
        for line in explained.stack_of(op):
            node = node.called.setdefault(line, _Node())
        node.own[op.kind].append(op)
    return root


def _walk(node: _Node, depth: int = 0) -> Iterator[tuple[int, Line, _Node]]:
    """Yield (depth, line, node) of all that was called, in order."""
    for line, called in node.called.items():
        yield depth, line, called
        yield from _walk(called, depth + 1)


def _count(ops):
    """Count operations by kind."""
    return [sum(op.kind == kind for op in ops) for kind in KINDS]


def _shown(line):
    """Return "answer.py:30  loss_length = ..." for a line, cut to a width."""
    source = lines.source_of(line)
    return (
        f"{line[0]}:{line[1]}  {source if len(source) <= _WIDTH else source[: _WIDTH - 3] + '...'}"
    )
