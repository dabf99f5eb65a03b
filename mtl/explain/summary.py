"""The default of `mtl explain`: the lines of the cost with their operations, on one screen."""

import collections
import itertools
import textwrap

from mtl.explain import blocks, captions, text
from mtl.explain.diagram import Diagram
from mtl.explain.lines import FORWARD, GRADIENT, KINDS, Explained, Line, Op, source_of

WIDTH = 110  # characters of a row
_INDENT = " " * 28  # below the counts
# Operations that pass on, reshape or wait for values. The rows only count them.
_OTHERS = {
    *("Const", "Fill", "ZerosLike", "Identity", "NoOp", "StopGradient"),
    *("Reshape", "ExpandDims", "Shape", "Slice", "Pack", "ConcatV2"),
}
_SPACE = "\u00a0"  # a space at which a row is not broken
_FOOT = [
    "others: constants, shapes and copies. Add --all to list all lines and operations,",
    "or --format=html --step=50 --out=graph.html for a page with the values of real steps.",
]


def render(explained: Explained, diagram: Diagram) -> str:
    """Return the graph on one screen: the lines of the cost, then a row for each other part.

    The counts add up to all operations of the graph.

    Args:
      explained: lines.Explained.
      diagram: Diagram of the same graph.
    """
    block_of = blocks.assign(explained, diagram)
    cost = _cost(explained, diagram, block_of)
    in_cost = {op.name for ops in cost.values() for op in ops}
    names = captions.parts(diagram)
    parts = {part: [] for part in names}
    for name, op in explained.ops.items():
        if name not in in_cost:
            parts[blocks.part_of(diagram, block_of[name])].append(op)
    return "\n".join(
        [
            *text.head(explained),
            f"{text.columns({kind: kind for kind in KINDS})}  the cost, line by line",
            *_lines(explained, cost),
            f"{_INDENT}the rest of the graph",
            *(_row(ops, f"  {names[part]}") for part, ops in parts.items() if ops),
            *text.total(explained),
            *_FOOT,
        ]
    )


def _cost(explained, diagram, block_of):
    """Return the lines that compute the cost from logits and labels, dict stack -> list of Op.

    They are the operations whose call in graph.py also made a recorded step of the losses. Other
    calls made the labels.
    """
    steps = [name for task in diagram.tasks for name in task.loss]
    steps += [*diagram.adds, explained.named.cost.op.name]
    calls = {_call(explained.ops[name].stack) for name in steps}
    found: dict[tuple[Line, ...], list[Op]] = {}
    for name, op in explained.ops.items():
        stack = explained.stack_of(op)
        if _call(stack) in calls and blocks.part_of(diagram, block_of[name]) == blocks.LOSSES:
            found.setdefault(stack, []).append(op)
    return found


def _call(stack):
    """Return the lines of graph.py that begin a stack; the last one calls the network or a loss."""
    return tuple(itertools.takewhile(lambda line: line[0] == "graph.py", stack))


def _lines(explained, cost):
    """Return a row for each line, and its operations; equal operations are listed once."""
    details = {stack: _details(explained, ops) for stack, ops in cost.items()}
    rows = []
    for detail, stacks in itertools.groupby(cost, key=details.get):
        for stack in stacks:
            file, number = stack[-1]
            rows.append(_row(cost[stack], f"{file}:{number}  {source_of(stack[-1])}"))
        rows += detail
    return rows


def _row(ops, label):
    """Return a row: the number of operations of each kind, and a label that is cut to the width."""
    counts = {kind: number or "" for kind, number in text.count(ops).items()}
    row = f"{text.columns(counts)}  {label}"
    return row if len(row) <= WIDTH else f"{row[: WIDTH - 3]}..."


def _details(explained, ops):
    """Return the rows with the types of the operations of a line, and of their gradients."""
    forward = [op for op in ops if op.kind == FORWARD]
    gradients = collections.defaultdict(list)
    for op in ops:
        if op.kind == GRADIENT:
            gradients[explained.ops[op.of].type].append(op)
    computed = {of: _types(filter(_computes, each)) for of, each in gradients.items()}
    steps = [f"of{_SPACE}{of}: {types}" for of, types in computed.items() if types]
    rows = _detail(FORWARD, [_types(filter(_computes, forward))], forward)
    return rows + _detail(GRADIENT, steps, list(itertools.chain(*gradients.values())))


def _detail(kind, words, ops):
    """Return the rows of one kind of operation: the words, and the number of the others."""
    others = [op for op in ops if not _computes(op)]
    words = list(filter(None, words))
    if not words:
        words = [_types(others)]
    elif others:
        words.append(f"{len(others)}{_SPACE}others")
    if not ops:
        return []
    start = f"{_INDENT}  {kind:<8}  "
    rows = textwrap.wrap(
        "; ".join(words), WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
    )
    return [row.replace(_SPACE, " ") for row in rows]


def _computes(op):
    """Return whether an operation computes new values, and not only a shape."""
    return op.type not in _OTHERS and not all(each.startswith("int") for each in op.outputs)


def _types(ops):
    """Return the types of operations, in order: "GreaterEqual, 2 SelectV2"."""
    counts = collections.Counter(op.type for op in ops)
    return ", ".join(
        f"{count}{_SPACE}{type_}" if count > 1 else type_ for type_, count in counts.items()
    )
