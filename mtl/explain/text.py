"""`mtl explain --all`: each line of the source with the operations that it made."""

import textwrap
from collections.abc import Iterable, Iterator

from mtl.explain import diagram, lines
from mtl.explain.lines import GRADIENT, KINDS, Explained, Line, Op

_WIDTH = 110  # characters of a line of the source
_WIDTHS = (8, 10, 8)  # of the columns of counts, in the order of KINDS
_KEY = "forward: made by the line itself; gradient: by tf.gradients for the forward operations; "


class _Node:
    """A line, called from one other line: its own operations, and the lines that it calls."""

    def __init__(self):
        self.own: dict[str, list[Op]] = {kind: [] for kind in KINDS}
        self.called: dict[Line, _Node] = {}


def render(explained: Explained) -> str:
    """Return the graph as text: the lines with counts, then the lines with their operations.

    The counts add up to all operations of the graph.
    """
    root = _tree(explained)
    return "\n".join([*head(explained), *_counts(explained, root), *_operations(root)])


def head(explained: Explained) -> list[str]:
    """Return the rows above all others."""
    config = explained.config
    counts = count(explained.ops.values())
    sums = ", ".join(f"{number:,} {kind}" for kind, number in counts.items())
    rows = [
        f"{config.bottom}, {config.objective}: {len(explained.ops):,} operations: {sums}.",
        *textwrap.wrap(f"{_KEY}update: by {diagram.optimizer(explained)}.", _WIDTH),
    ]
    gradients = [op for op in explained.ops.values() if op.kind == GRADIENT]
    if gradients:  # an objective of the user may compute its own
        rows.append(f"All gradients come from {_shown(gradients[0].stack[-1])}")
    return [*rows, ""]


def _counts(explained, root):
    """Return the first part: each line with the number of operations that it made."""
    rows = [
        "1. Lines, in the order in which they make operations. A called line is indented.",
        "",
        columns({kind: kind for kind in KINDS}),
    ]
    for depth, line, node in _walk(root):
        counts = {kind: len(ops) or "" for kind, ops in node.own.items()}
        rows.append(f"{columns(counts)}  {'  ' * depth}{_shown(line)}")
    return [*rows, *total(explained)]


def total(explained: Explained) -> list[str]:
    """Return the rows below the counts: a rule, and their sums."""
    sums = columns(count(explained.ops.values()))
    rule = " " * (len(sums) + 2) + "-" * 40
    return [rule, f"{sums}  = {len(explained.ops):,}, the whole graph", ""]


def _operations(root):
    """Return the second part: each line with its operations."""
    rows = ["2. Operations: kind, type, name, outputs.", ""]
    for depth, line, node in _walk(root):
        indent = "  " * depth
        rows.append(indent + _shown(line))
        for op in (op for kind in KINDS for op in node.own[kind]):
            row = f"{indent}    {op.kind:<9}{op.type}  {op.name}  {', '.join(op.outputs)}"
            rows.append(row.rstrip())
    return rows


def _tree(explained):
    """Return the tree of lines, with each operation at its line."""
    root = _Node()
    for op in explained.ops.values():
        node = root
        for line in explained.stack_of(op):
            node = node.called.setdefault(line, _Node())
        node.own[op.kind].append(op)
    return root


def _walk(node: _Node, depth: int = 0) -> Iterator[tuple[int, Line, _Node]]:
    """Yield (depth, line, node) of all lines below a node, in order."""
    for line, called in node.called.items():
        yield depth, line, called
        yield from _walk(called, depth + 1)


def count(ops: Iterable[Op]) -> dict[str, int]:
    """Return the number of operations of each kind."""
    counts = dict.fromkeys(KINDS, 0)
    for op in ops:
        counts[op.kind] += 1
    return counts


def columns(values: dict[str, object]) -> str:
    """Return a value of each kind, right-aligned."""
    return "".join(f"{values[kind]:>{width}}" for kind, width in zip(KINDS, _WIDTHS))


def _shown(line):
    """Return a line of the source as "answer.py:30  loss_length = ...", cut to a width."""
    source = lines.source_of(line)
    if len(source) > _WIDTH:
        source = source[: _WIDTH - 3] + "..."
    return f"{line[0]}:{line[1]}  {source}"
