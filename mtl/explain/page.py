"""`mtl explain --format=html`: one page with the source on the left, the graph on the right, and real steps to walk through below."""

import base64
import collections
import os
from collections.abc import Sequence
from typing import Any

from mtl.explain import blocks, lines, pictures
from mtl.explain.diagram import Diagram
from mtl.explain.lines import KINDS, Explained
from mtl.explain.steps import shortest
from mtl.reports import page
from mtl.reports.page import escape

ORDER = (
    "answer.py",
    "train.py",
    "model.py",
    "bottoms.py",
    "layers.py",
    "losses.py",
)  # of the files on the page
_PARTS = {"diagram": "Diagram", "graph": "Lines and operations", "steps": "Steps"}
_MEANING = {
    "forward": "made by the line itself",
    "gradient": "made for what the line made, when all gradients were asked for",
    "update": "of Adam: its slots, and what changes the weights",
}


def render(
    explained: Explained, diagram: Diagram, steps: Sequence[dict[str, Any]] = (), command: str = ""
) -> str:
    """Write the page of a graph.

    Args:
      explained: lines.Explained.
      diagram: Diagram of the same graph.
      steps: list of dict as steps.walk yields them; without any, the page has no part for them.
      command: str, what makes the page again.

    Returns:
      str, a whole HTML document.
    """
    title = f"The graph of {explained.config.bottom}, {explained.config.objective}"
    counts = {kind: sum(op.kind == kind for op in explained.ops.values()) for kind in KINDS}
    sums = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    links = [name for name in _PARTS if steps or name != "steps"]
    picture = base64.b64encode(pictures.svg(diagram).encode("utf-8")).decode()
    body = [
        '<a class="skip" href="#graph">Skip to the graph</a>',
        f"<header><h1>{escape(title)}</h1>",
        f"<p>{len(explained.ops):,} operations: {sums}. Every one of them belongs to a line of the source.</p>",
        f'<nav aria-label="Parts of this page"><ul>{"".join(_link(name) for name in links)}</ul></nav></header>',
        "<main>",
        '<noscript><p class="bad">To choose lines and operations, and to walk through steps, let this page run its script.</p></noscript>',
        '<section id="diagram"><h2>The diagram</h2>',
        f'<figure><img class="picture" src="data:image/svg+xml;base64,{picture}"',
        f'alt="{escape(pictures.sentence(diagram))}"></figure></section>',
        f'<section id="graph"><h2>Lines and operations</h2>{_HELP}',
        f'<div class="panes"><div class="pane source"><h3 id="source-head">Source</h3>{_source(explained)}</div>',
        f'<div class="pane"><h3 id="map-head">Graph</h3>{_map(explained, diagram)}</div></div>',
        '<div id="chosen" class="card" role="status"><p class="quiet">Nothing is chosen.</p></div></section>',
        *([_own("steps.html") % {"picture": page.png(steps[0]["image"])}] if steps else []),
        *(
            [f'<section id="again"><h2>Made by</h2><pre>{escape(command)}</pre></section>']
            if command
            else []
        ),
        "</main>",
    ]
    return page.document(
        title,
        "\n".join(body),
        style=_own("page.css"),
        script=_own("page.js"),
        data=_data(explained, diagram, steps),
    )


def _own(name):
    """Return the text of a file beside this one."""
    with open(
        os.path.join(os.path.dirname(os.path.abspath(__file__)), name), encoding="utf-8"
    ) as file:
        return file.read()


def _link(name):
    return f'<li><a href="#{name}">{_PARTS[name]}</a></li>'


def line_id(line: lines.Line) -> str:
    """Return the id of a line's element."""
    return f"line-{line[0]}-{line[1]}"


def _source(explained):
    """Write the source files; a line that put something into the graph is a button."""
    made = collections.Counter(
        line for op in explained.ops.values() for line in explained.all_lines_of(op)
    )
    files = []
    for name in ORDER:
        rows = []
        for number, text in enumerate(lines.read_source(name), start=1):
            code = f'<span class="no">{number}</span><code>{escape(text) or " "}</code>'
            count = made[name, number]
            if not count:
                rows.append(f'<li class="line">{code}</li>')
                continue
            label = f"line {number} of {name}, {count} operations: {text.strip()}"
            rows.append(
                f'<li><button type="button" class="line" id="{line_id((name, number))}" aria-pressed="false" tabindex="-1" '
                f'aria-label="{escape(label)}">{code}<span class="count">{count}</span></button></li>'
            )
        total = sum(
            any(line[0] == name for line in explained.all_lines_of(op))
            for op in explained.ops.values()
        )
        state = " open" if name == ORDER[0] and total or name == "train.py" else ""
        files.append(
            f'<details id="file-{name}"{state}><summary>{name} <span class="quiet">{total:,} operations</span></summary>'
            f'<ol class="code">{"".join(rows)}</ol></details>'
        )
    return (
        f'<div class="scroller" role="group" aria-labelledby="source-head">{"".join(files)}</div>'
    )


def _map(explained, diagram):
    """Write the operations as cells, a row a block and a column a kind."""
    where = blocks.assign(explained, diagram)
    rows = {name: {kind: [] for kind in KINDS} for name in blocks.names(diagram)}
    for index, op in enumerate(explained.ops.values()):
        label = escape(f"{op.kind} {op.type} {op.name}")
        state = 'aria-pressed="false" tabindex="-1"'
        cell = f'<button type="button" class="op {op.kind}" id="op-{index}" {state} aria-label="{label}"></button>'
        rows[where[op.name]][op.kind].append(cell)
    head = "".join(
        f'<div class="head {kind}" title="{_MEANING[kind]}"><span class="key"></span>{kind}</div>'
        for kind in KINDS
    )
    body = "".join(
        f'<div class="block">{escape(name)}</div>'
        + "".join(f'<div class="cells">{"".join(cells[kind])}</div>' for kind in KINDS)
        for name, cells in rows.items()
        if any(cells.values())
    )
    return f'<div class="map" role="group" aria-labelledby="map-head"><div class="head"></div>{head}{body}</div>'


def _data(explained, diagram, steps):
    """Gather what the script needs; operations and lines are numbered in the order they stand."""
    numbers = {name: index for index, name in enumerate(explained.ops)}
    return {
        "ops": [
            {
                "name": op.name,
                "type": op.type,
                "kind": op.kind,
                "outputs": op.outputs,
                "inputs": [numbers[name] for name in op.inputs],
                "waits": [numbers[name] for name in op.waits_for],
                "of": numbers.get(op.of, -1),
                "lines": [line_id(line) for line in explained.all_lines_of(op)],
            }
            for op in explained.ops.values()
        ],
        "tasks": [
            {
                "name": task.name,
                "loss": [numbers[name] for name in task.loss],
                "words": list(task.words),
                "classes": task.top.shape[-1],
            }
            for task in diagram.tasks
        ],
        "adds": [numbers[name] for name in diagram.adds],
        "steps": [_step(step, numbers) for step in steps],
    }


def _step(step, numbers):
    """Write a step as plain data, floats as short as they can be without a loss."""
    tasks = {
        name: {
            **task,
            "logits": [shortest(value) for value in task["logits"]],
            "softmax": [shortest(value) for value in task["softmax"]],
            "mean": numbers[task["mean"]],
            "weight": shortest(task["weight"]),
            "pull": shortest(task["pull"]),
        }
        for name, task in step["tasks"].items()
    }
    values = {str(numbers[name]): shortest(value) for name, value in step["values"].items()}
    return {
        "image": page.png(step["image"]),
        "true": step["true"],
        "read": step["read"],
        "values": values,
        "tasks": tasks,
    }


_KEYS = {
    **{kind: f"{kind}: {text}" for kind, text in _MEANING.items()},
    "in": "goes into what is chosen",
    "out": "takes what comes out of it",
}
_HELP = (
    "<p>Choose a line: what it made lights up, and the gradients of that. Choose an operation: its line, what goes in and what comes out. "
    "<kbd>Tab</kbd> enters the source or the graph, the arrow keys move in it, <kbd>Enter</kbd> chooses, <kbd>Esc</kbd> lets go.</p>"
    '<ul class="legend">'
    + "".join(f'<li><span class="key {name}"></span>{text}</li>' for name, text in _KEYS.items())
    + "</ul>"
)
