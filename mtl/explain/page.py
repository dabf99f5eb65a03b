"""`mtl explain --format=html`: a page with the diagram, the source, the graph, and the steps."""

import base64
import collections
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl.evaluation import by_task
from mtl.explain import blocks, captions, lines, svg
from mtl.explain.diagram import Diagram
from mtl.explain.lines import FORWARD, GRADIENT, KINDS, UPDATE, Explained
from mtl.explain.steps import shortest
from mtl.reports import page, sheet
from mtl.reports.page import escape
from mtl.tasks import is_numbers

_OPEN = ("answer.py", "graph.py")  # the files that are open at first
_SCALE = 0.8  # of a wide diagram; its smallest text has 12 pixels
_SCRIPTS = ("graph.js", "charts.js", "steps.js")  # in this order
# A line of code may also wrap at these places, not only at its spaces.
_BREAK = re.compile(r"(?<=[(\[{,=])(?=\S)|(?<=\.)(?=[a-z_])")
_PARTS = {"diagram": "Diagram", "graph": "Lines and operations", "steps": "Steps"}
_MEANING = {
    FORWARD: "made by the line itself",
    GRADIENT: "made by tf.gradients for the forward operations",
    UPDATE: "made by {optimizer}: its slots, and the updates of the weights",
}
_OTHERS = {
    "in": "input of the selected operation",
    "out": "takes an output of the selected operation",
}
_HELP = (
    "<p>Select a line to highlight the operations that it made, and their gradients. Select an "
    "operation to see its line, its inputs and its outputs. <kbd>Tab</kbd> moves into the source "
    "or the graph, the arrow keys move within it, <kbd>Enter</kbd> selects, <kbd>Esc</kbd> clears "
    "the selection.</p>"
)


def render(
    explained: Explained, diagram: Diagram, steps: Sequence[dict[str, Any]] = (), command: str = ""
) -> str:
    """Return the page of a graph, a whole HTML document.

    Args:
      explained: lines.Explained.
      diagram: Diagram of the same graph.
      steps: the dicts that steps.walk yields; empty gives a page without that part.
      command: the command that writes the page again, or "".
    """
    config = explained.config
    title = f"The graph of {config.bottom}, {config.objective}"
    parts = [*_head(title, explained, with_steps=bool(steps)), "<main>", *_figure(diagram)]
    parts += _graph(explained, diagram)
    if steps:
        parts.append(_own("steps.html") % _words(explained, diagram, steps[0]))
    if command:
        shown = page.words(command)
        parts.append(f'<section id="again"><h2>Command</h2><pre>{shown}</pre></section>')
    return page.document(
        title,
        "\n".join([*parts, "</main>"]),
        style=_own("page.css") + _style(diagram),
        script="".join(map(_own, _SCRIPTS)),
        data=_data(explained, diagram, steps),
    )


def _style(diagram):
    """Return the style of a wide diagram: it scrolls, so that its text is legible."""
    width = round(_SCALE * svg.width_of(diagram))
    return f"@media screen {{ .diagram {{ min-width: {width}px; }} }}\n" if width > 1000 else ""


def _own(name):
    """Return the text of a file in the folder of this module."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def _head(title, explained, *, with_steps):
    """Return the heading and the links to the parts of the page."""
    counts = collections.Counter(op.kind for op in explained.ops.values())
    sums = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS)
    names = [name for name in _PARTS if with_steps or name != "steps"]
    links = "".join(f'<li><a href="#{name}">{_PARTS[name]}</a></li>' for name in names)
    return [
        '<a class="skip" href="#graph">Skip to the graph</a>',
        f"<header><h1>{escape(title)}</h1>",
        f"<p>{len(explained.ops):,} operations: {sums}. Each belongs to a line of the source.</p>",
        f'<nav aria-label="Parts of this page"><ul>{links}</ul></nav></header>',
    ]


def _figure(diagram):
    """Return the part with the diagram."""
    image = base64.b64encode(svg.render(diagram).encode("utf-8")).decode()
    return [
        '<noscript><p class="bad">This page needs JavaScript to select lines and operations, and '
        "to show steps.</p></noscript>",
        f'<section id="diagram"><h2>{_PARTS["diagram"]}</h2>',
        '<figure class="scroll" role="region" aria-label="Diagram" tabindex="0">',
        f'<img class="diagram" src="data:image/svg+xml;base64,{image}"',
        f'alt="{escape(captions.sentences(diagram))}"></figure></section>',
    ]


def _graph(explained, diagram):
    """Return the part with the source beside the graph."""
    meaning = _meaning(diagram)
    words = {**{kind: f"{kind}: {text}" for kind, text in meaning.items()}, **_OTHERS}
    legend = "".join(
        f'<li><span class="key {name}"></span>{text}</li>' for name, text in words.items()
    )
    return [
        f'<section id="graph"><h2>{_PARTS["graph"]}</h2>{_HELP}',
        f'<ul class="legend">{legend}</ul>',
        '<div class="panes"><div class="pane source"><h3 id="source-head">Source</h3>',
        f"{_source(explained)}</div>",
        f'<div class="pane"><h3 id="map-head">Graph</h3>{_map(explained, diagram, meaning)}'
        "</div></div>",
        '<div id="selection" class="card" role="status">'
        '<p class="quiet">Nothing is selected.</p></div></section>',
    ]


def _meaning(diagram):
    """Return what each kind of operation is, dict kind -> text."""
    return {kind: text.format(optimizer=diagram.optimizer) for kind, text in _MEANING.items()}


def line_id(line: lines.Line) -> str:
    """Return the id of the element of a line."""
    return f"line-{line[0]}-{line[1]}"


def _source(explained):
    """Return the files that made operations. A line that made an operation is a button."""
    by_line = collections.Counter()
    by_file = collections.Counter()
    for op in explained.ops.values():
        own = explained.all_lines_of(op)
        by_line.update(own)
        by_file.update({file for file, _ in own})
    files = []
    for name in lines.SOURCES:
        if by_file[name]:
            rows = "".join(
                _row(name, number, text, by_line[name, number])
                for number, text in enumerate(lines.read_source(name), start=1)
            )
            state = " open" if name in _OPEN else ""
            count = f'<span class="quiet">{by_file[name]:,} operations</span>'
            files.append(
                f'<details id="file-{name}"{state}><summary>{name} {count}</summary>'
                f'<ol class="code">{rows}</ol></details>'
            )
    head = '<div class="scroller" role="group" aria-labelledby="source-head">'
    return f"{head}{''.join(files)}</div>"


def _row(name, number, text, count):
    """Return a line of the source, which made `count` operations."""
    code = f'<span class="no">{number}</span><code>{_breakable(text) or " "}</code>'
    if not count:
        return f'<li class="line">{code}</li>'
    label = escape(f"line {number} of {name}, {count} operations: {text.strip()}")
    return (
        f'<li><button type="button" class="line" id="{line_id((name, number))}" '
        f'aria-pressed="false" tabindex="-1" aria-label="{label}">{code}'
        f'<span class="count">{count}</span></button></li>'
    )


def _breakable(text):
    """Return a line of code as HTML that wraps between identifiers, not within them."""
    return "<wbr>".join(map(escape, _BREAK.split(text)))


def _map(explained, diagram, meaning):
    """Return the operations as cells, one row for each block and one column for each kind."""
    block_of = blocks.assign(explained, diagram)
    cells = collections.defaultdict(list)
    for index, op in enumerate(explained.ops.values()):
        label = escape(f"{op.kind} {op.type} {op.name}")
        cells[block_of[op.name], op.kind].append(
            f'<button type="button" class="op {op.kind}" id="op-{index}" aria-pressed="false" '
            f'tabindex="-1" aria-label="{label}"></button>'
        )
    rows = ['<div class="head"></div>']
    for kind, text in meaning.items():
        key = f'<span class="key"></span>{kind}'
        rows.append(f'<div class="head {kind}" title="{text}">{key}</div>')
    for block in blocks.names(diagram):
        if any((block, kind) in cells for kind in KINDS):
            name = captions.example(diagram) if block == blocks.IMAGE else block
            rows.append(f'<div class="block">{escape(name)}</div>')
            rows += [f'<div class="cells">{"".join(cells[block, kind])}</div>' for kind in KINDS]
    head = '<div class="map" role="group" aria-labelledby="map-head">'
    return f"{head}{''.join(rows)}</div>"


def _data(explained, diagram, steps):
    """Return the data for the script. It refers to an operation by its index in graph order."""
    index = {name: number for number, name in enumerate(explained.ops)}
    return {
        "ops": [_op(op, explained, index) for op in explained.ops.values()],
        "tasks": [_task(task, index) for task in diagram.tasks],
        "adds": [index[name] for name in diagram.adds],
        "cost": index[explained.named.cost.op.name],
        "numbers": is_numbers(explained.tasks),
        "share": by_task.score_is_share(explained.tasks, explained.config.best_by),
        "loss": _loss(diagram),
        "floor": explained.config.clip_min,
        "steps": [_step(step, index) for step in steps],
    }


def _op(op, explained, index):
    """Return an operation as plain data."""
    return {
        "name": op.name,
        "type": op.type,
        "kind": op.kind,
        "outputs": op.outputs,
        "inputs": [index[name] for name in op.inputs],
        "waits": [index[name] for name in op.waits_for],
        "of": index.get(op.of, -1),
        "lines": [line_id(line) for line in explained.all_lines_of(op)],
    }


def _task(task, index):
    """Return a task as plain data."""
    return {
        "name": task.name,
        "steps": [{"word": step.word, "op": index[step.op]} for step in task.steps],
        "term": index[task.loss[-1]],
        "outputs": task.top.shape[-1],
    }


def _loss(diagram):
    """Return the name of the losses in words."""
    words = {task.steps[0].word for task in diagram.tasks if task.steps}
    return words.pop() if len(words) == 1 else "loss"


def _words(explained, diagram, step):
    """Return the parts of steps.html that depend on the tasks and the inputs."""
    config, numbers = explained.config, is_numbers(explained.tasks)
    score = config.best_by or "the mean over the tasks of accuracy or R2"
    unseen = "Accuracy on unseen images: the share of correct numbers"
    return {
        "image": _png(step["image"]),
        "first": "The image is the first of its batch." if explained.inputs.is_images else "",
        "loss": _loss(diagram),
        "unseen": unseen if numbers else f"Score on unseen examples: {escape(score)}",
        "shown": "image" if numbers else "first example of the batch",
        "values": "softmax" if numbers else "prediction",
    }


def _png(image):
    """Return an image of any type as a data: URI; that of a pixel for features, which have none."""
    image = np.zeros((1, 1, 3), np.uint8) if image is None else sheet.rgb(image[None])[0]
    return page.png(image)


def _step(step, index):
    """Return a training step as plain data."""
    tasks = {}
    for name, task in step["tasks"].items():
        tasks[name] = {
            "label": task["label"],
            "written": task["written"],
            "predicted": task["predicted"],
            "logits": [shortest(value) for value in task["logits"]],
            "softmax": task["softmax"] and [shortest(value) for value in task["softmax"]],
            "mean": index[task["mean"]],
            "weight": shortest(task["weight"]),
            "gradient_norm": shortest(task["gradient_norm"]),
        }
    return {
        "image": None if step["image"] is None else _png(step["image"]),
        "true": step.get("true"),
        "predicted": step.get("predicted"),
        "unseen": step.get("unseen"),
        "values": {str(index[name]): shortest(value) for name, value in step["values"].items()},
        "tasks": tasks,
    }
