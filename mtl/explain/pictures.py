"""`mtl explain --format=svg` and `dot`: the diagram of a graph as a picture, and as a text that Graphviz draws."""

from html import escape

from mtl.explain.diagram import Diagram, Layer, Task

_WIDTH, _COLUMN, _ROW = 900, 146, 24  # pixels: the picture, a task, a shared layer
_NEW_LINE = "\\n"  # in a label of Graphviz
_STYLE = (
    ".b{fill:#dbe9f6;stroke:#2b5f8f}.s{fill:#cfe8d5;stroke:#2c7a43}.l{fill:#fbe3c8;stroke:#a86414}.a{fill:#eadcf3;stroke:#6b3fa0}"
    ".e{stroke:#666;fill:none;stroke-width:1.4}.h{fill:#888}.r{stroke:#2c7a43;opacity:.35}text{fill:#111;text-anchor:middle}"
    ".n{fill:#555;font-size:12px}.left{text-anchor:start}.right{text-anchor:end}.l+text{font-size:13px}"
    "@media(prefers-color-scheme:dark){.b{fill:#1d3c58;stroke:#7fb2de}.s{fill:#1d4a2b;stroke:#7cc592}.l{fill:#5a3a10;stroke:#e3a559}"
    ".a{fill:#412a5c;stroke:#b493da}.e{stroke:#aaa}.r{stroke:#7cc592}text{fill:#f2f2f2}.n{fill:#c4c4c4}}"
)


def svg(found: Diagram) -> str:
    """Draw a Diagram as SVG that is read on light and on dark ground; returns str."""
    n, rows = len(found.tasks), len(found.shared)
    width = max(_WIDTH, _COLUMN * n + 24)
    left = (width - _COLUMN * n) / 2
    centres = [left + _COLUMN * (place + 0.5) for place in range(n)]
    tops, shared = 200, 304  # pixels from the top
    image = shared + 38 + _ROW * rows + 34
    parts = [*_sum(found, centres)]
    for task, x in zip(found.tasks, centres):
        parts += _box("l", x - 69, 122, 138, 44, _formula(task), _note(task)) + _box(
            "b", x - 69, tops, 138, 58, task.name, *_top(task)
        )
        parts += [
            _arrow(f"M{x},{tops} L{x},168"),
            _arrow(f"M{min(max(x, 120), width - 120)},{shared} L{x},{tops + 60}"),
        ]
    parts.append(
        f'<rect class="s" x="60" y="{shared}" width="{width - 120}" height="{38 + _ROW * rows}" rx="7"/>'
    )
    total = sum(layer.parameters for layer in found.shared)
    title = f"shared by all tasks: {_sizes(found.shared[-1].shape)} features, {total:,} parameters"
    parts += [
        _text("left", 84, shared + 24, title),
        _text("n right", width - 220, shared + 24, "shape out"),
        _text("n right", width - 84, shared + 24, "parameters"),
    ]
    for place, layer in enumerate(reversed(found.shared)):  # data goes upwards
        y = shared + 38 + _ROW * place
        parts.append(f'<path class="r" d="M72,{y} L{width - 72},{y}"/>')
        cells = [("left", 84, _short(layer)), ("n left", 190, ", ".join([layer.what, *layer.then]))]
        cells += [
            ("n right", width - 220, _sizes(layer.shape)),
            ("n right", width - 84, f"{layer.parameters:,}"),
        ]
        parts += [_text(kind, x, y + 17, words) for kind, x, words in cells]
    parts.append(_arrow(f"M{width / 2},{image} L{width / 2},{shared + 40 + _ROW * rows}"))
    parts += _box(
        "b",
        width / 2 - 150,
        image,
        300,
        46,
        "image",
        f"{_sizes(found.image)}, {', '.join(found.before)}",
    )
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {image + 52}" role="img" aria-labelledby="t d" '
        'font-family="system-ui, sans-serif" font-size="14">',
        '<title id="t">A shared bottom and its tops</title>',
        f'<desc id="d">{escape(sentence(found))}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="h" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path class="h" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
    ]
    return "\n".join([*head, *parts, "</svg>"])


def dot(found: Diagram) -> str:
    """Write a Diagram in the language of Graphviz; returns str."""
    lines = [
        "digraph mtl {",
        '  rankdir=BT; node [shape=box, style="rounded,filled", fontname="sans-serif", fillcolor="#dbe9f6"];',
    ]
    lines += [f'  image [label="image\\n{_sizes(found.image)}\\n{", ".join(found.before)}"];']
    lines += [
        '  subgraph cluster_shared { label="shared by all tasks"; labeljust=l; fontname="sans-serif"; style=rounded;'
    ]
    lines += ['    node [fillcolor="#cfe8d5"];']
    for layer in found.shared:
        words = [
            _short(layer),
            ", ".join([layer.what, *layer.then]),
            _sizes(layer.shape),
            f"{layer.parameters:,} parameters",
        ]
        lines.append(f'    "{layer.scope}" [label="{_NEW_LINE.join(words)}"];')
    chain = ["image", *(layer.scope for layer in found.shared)]
    lines += ["  }", *(f'  "{before}" -> "{after}";' for before, after in zip(chain, chain[1:]))]
    for task in found.tasks:
        lines.append(f'  "{task.name}" [label="{_NEW_LINE.join([task.name, *_top(task)])}"];')
        lines.append(
            f'  "loss {task.name}" [label="{_NEW_LINE.join(filter(None, [_formula(task), _note(task)]))}", fillcolor="#fbe3c8"];'
        )
        lines += [f'  "{chain[-1]}" -> "{task.name}";', f'  "{task.name}" -> "loss {task.name}";']
    before = f"loss {found.tasks[0].name}"
    for name, task in zip(found.adds, found.tasks[1:]):
        lines.append(f'  "{name}" [label="+", shape=circle, fillcolor="#eadcf3"];')
        lines += [f'  "{before}" -> "{name}";', f'  "loss {task.name}" -> "{name}";']
        before = name
    lines += [
        f'  cost [label="{_end(found)}", fillcolor="#eadcf3"];',
        f'  "{before}" -> cost;',
        "}",
    ]
    return "\n".join(lines)


def _sum(found, centres):
    """Draw the chain of adds and what minimises its end."""
    parts = []
    for place, x in enumerate(centres[1:], start=1):
        parts += [
            f'<circle class="a" cx="{x}" cy="62" r="15"/>',
            f'<text x="{x}" y="67">+</text>',
            _arrow(f"M{x},122 L{x},79"),
        ]
        before = centres[place - 1]
        parts.append(
            _arrow(
                f"M{before},122 L{before},62 L{x - 17},62"
                if place == 1
                else f"M{before + 15},62 L{x - 17},62"
            )
        )
    parts += _box("a", centres[-1] - 174, 6, 240, 28, _end(found))
    parts.append(_arrow(f"M{centres[-1]},{47 if found.adds else 122} L{centres[-1]},36"))
    if found.adds:
        parts.append(
            _text(
                "n",
                centres[0] + _COLUMN,
                26,
                f"{len(found.adds)} tf.add, in the order in which the losses were written",
            )
        )
    return parts


def _box(kind, x, y, width, height, *words):
    """Draw a box with up to three lines of text."""
    words = [line for line in words if line]
    first = y + (height - 18 * len(words)) / 2 + 14
    lines = [
        _text("n" if place else "m", x + width / 2, first + 18 * place, line)
        for place, line in enumerate(words)
    ]
    return [
        f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>',
        *lines,
    ]


def _text(kind, x, y, words):
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


def _arrow(way):
    return f'<path class="e" d="{way}" marker-end="url(#h)"/>'


def _sizes(shape):
    return " x ".join(map(str, shape))


def _short(layer: Layer):
    """Return the name of a layer within what is shared."""
    return layer.scope.rpartition("/")[2]


def _top(task: Task):
    """Say what a top is, in two lines."""
    return [
        f"{task.top.what}, softmax of {task.top.shape[-1]}",
        f"{task.top.parameters:,} parameters",
    ]


def _formula(task: Task):
    """Write a loss as a formula: log(clip(mean CE))."""
    mean, *outer = ["mean CE" if word.startswith("mean") else word for word in task.words[1:]] or [
        "CE"
    ]
    for word in outer:
        mean = f"{word}({mean})"
    return mean


def _note(task: Task):
    """Say what a formula leaves out."""
    return "of the labelled" if "mean of the labelled" in task.words else ""


def _end(found):
    return f"cost, minimised by {found.optimizer}"


def sentence(found: Diagram) -> str:
    """Describe a Diagram for who cannot see it; returns str."""
    names = [task.name for task in found.tasks]
    layers = ", ".join(
        f"{_short(layer)} ({layer.what}, out {_sizes(layer.shape)})" for layer in found.shared
    )
    first = found.tasks[0]
    loss = " ".join(filter(None, [_formula(first), _note(first)]))
    return (
        f"An image of {_sizes(found.image)} goes through the shared layers {layers}. {len(names)} tops, {', '.join(names)}, each a dense "
        f"layer with a softmax, read the same {_sizes(found.shared[-1].shape)} features. Each has a loss, {loss}; a chain of "
        f"{len(found.adds)} adds makes the cost, which {found.optimizer} minimises over {found.updated} variables, "
        f"{found.parameters:,} parameters."
    )
