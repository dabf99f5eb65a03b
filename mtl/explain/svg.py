"""`mtl explain --format=svg`: the diagram as an image, with data flowing upwards."""

import math
from html import escape

from mtl.explain import captions
from mtl.explain.diagram import Diagram

# All lengths are pixels.
_WIDTH = 900  # of the image, at least
_ROW, _HEAD, _FOOT = 24, 38, 8  # of the shared layers: a layer, the title, the space below
_ADDS, _LOSSES, _TOPS = 90, 140, 222  # vertical positions
_TOP = 70  # the height of a top without hidden layers, and of each hidden layer
_HIDDEN = 18
_MARGIN = 60  # beside the shared layers
_PAD = 8  # between a text and the left and right edges of its box
_GAP = 8  # between two boxes
_TITLE, _NOTE = 14, 12  # sizes of the text
_LETTER = 0.53  # the mean width of a letter in a wide font, as a share of the size of the text
_STYLE = (
    ".b{fill:#dbe9f6;stroke:#2b5f8f}.s{fill:#cfe8d5;stroke:#2c7a43}.l{fill:#fbe3c8;stroke:#a86414}"
    ".a{fill:#eadcf3;stroke:#6b3fa0}.e{stroke:#666;fill:none;stroke-width:1.4}.h{fill:#888}"
    ".r{stroke:#2c7a43;opacity:.35}text{fill:#111;text-anchor:middle}.n{fill:#555;font-size:12px}"
    ".left{text-anchor:start}.right{text-anchor:end}.l+text{font-size:13px}"
    "@media(prefers-color-scheme:dark){.b{fill:#1d3c58;stroke:#7fb2de}"
    ".s{fill:#1d4a2b;stroke:#7cc592}.l{fill:#5a3a10;stroke:#e3a559}.a{fill:#412a5c;stroke:#b493da}"
    ".e{stroke:#aaa}.r{stroke:#7cc592}text{fill:#f2f2f2}.n{fill:#c4c4c4}}"
)


def width_of(diagram: Diagram) -> int:
    """Return the width of the image of a diagram in pixels."""
    columns = (_box_of(diagram) + _GAP) * len(diagram.tasks)
    return max(_WIDTH, columns + 2 * _PAD, _shared_width(diagram))


def _box_of(diagram):
    """Return the width of the boxes of the tasks."""
    return max(map(_task_width, diagram.tasks))


def render(diagram: Diagram) -> str:
    """Return a diagram as SVG, for light and dark backgrounds."""
    count, box, width = len(diagram.tasks), _box_of(diagram), width_of(diagram)
    column = box + _GAP
    left = (width - column * count) / 2
    centres = [left + column * (index + 0.5) for index in range(count)]
    top = _TOP + _HIDDEN * max(len(task.hidden) for task in diagram.tasks)
    shared = _TOPS + top + 46
    image = shared + _HEAD + _ROW * len(diagram.shared) + _FOOT + 34
    lines = [captions.example(diagram), captions.inputs(diagram)]
    parts = _sum(diagram, centres, width)
    for task, x in zip(diagram.tasks, centres):
        parts += _task(task, x, box, top, width)
    parts += _shared(diagram, shared, width)
    parts.append(_arrow(f"M{width / 2},{image} L{width / 2},{image - 32}"))
    parts += _box("b", width / 2, image, _box_width(lines), 50, lines)
    return "\n".join([*_head(diagram, width, image + 56), *parts, "</svg>"])


def _text_width(words, size=_NOTE):
    """Return the width that a text needs, rounded up to a multiple of 2."""
    return 2 * math.ceil(_LETTER * size * len(words) / 2)


def _box_width(lines):
    """Return the width of a box with a title and notes."""
    title, *notes = lines
    widths = [_text_width(title, _TITLE), *map(_text_width, notes)]
    return max(widths) + 2 * _PAD


def _task_width(task):
    """Return the width of the boxes of a task."""
    loss = [captions.formula(task), captions.note(task)]
    return max(_box_width(loss), _box_width([task.name, *captions.top(task)]))


def _steps_left(diagram):
    """Return the horizontal position of what the shared layers compute, beside their names."""
    names = [_text_width(captions.short_name(layer), _TITLE) for layer in diagram.shared]
    return max(190, 84 + max(names) + 2 * _PAD)


def _shared_width(diagram):
    """Return the width of the image that the rows of the shared layers need."""
    steps = [_text_width(captions.layer_steps(layer)) for layer in diagram.shared]
    shapes = [_text_width(captions.sizes(layer.shape)) for layer in diagram.shared]
    return _steps_left(diagram) + max(steps) + 2 * _PAD + max(shapes) + 220


def _head(diagram, width, height):
    """Return the beginning of the document."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="14">',
        '<title id="t">A shared bottom and its tops</title>',
        f'<desc id="d">{escape(captions.sentences(diagram))}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="h" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path class="h" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
    ]


def _sum(diagram, centres, width):
    """Draw the chain of adds and the cost."""
    parts = []
    for index, x in enumerate(centres[1:]):
        before = centres[index]
        parts += [
            f'<circle class="a" cx="{x}" cy="{_ADDS}" r="15"/>',
            f'<text x="{x}" y="{_ADDS + 5}">{"+" if diagram.adds else "f"}</text>',
            _arrow(f"M{x},{_LOSSES} L{x},{_ADDS + 17}"),
        ]
        start = f"M{before + 15},{_ADDS}" if index else f"M{before},{_LOSSES} L{before},{_ADDS}"
        parts.append(_arrow(f"{start} L{x - 17},{_ADDS}"))
    lines = [captions.cost(diagram)]
    if diagram.adds:
        lines.append(f"{len(diagram.adds)} tf.add, in the order of the losses")
    elif len(centres) > 1:
        lines.append("f: the objective, a function of all losses")
    box = _box_width(lines)
    parts += _box("a", min(centres[-1], width - box / 2 - _PAD), 6, box, 46, lines)
    end = _ADDS - 15 if len(centres) > 1 else _LOSSES
    parts.append(_arrow(f"M{centres[-1]},{end} L{centres[-1]},54"))
    return parts


def _task(task, x, box, height, width):
    """Draw a loss, its top of a height, and the arrows between them."""
    start = min(max(x, 2 * _MARGIN), width - 2 * _MARGIN)
    return [
        *_box("l", x, _LOSSES, box, 48, [captions.formula(task), captions.note(task)]),
        *_box("b", x, _TOPS, box, height, [task.name, *captions.top(task)]),
        _arrow(f"M{x},{_TOPS} L{x},{_LOSSES + 50}"),
        _arrow(f"M{start},{_TOPS + height + 46} L{x},{_TOPS + height + 2}"),
    ]


def _shared(diagram, top, width):
    """Draw the shared layers below a vertical position, the first one at the bottom."""
    height = _HEAD + _ROW * len(diagram.shared) + _FOOT
    features = captions.sizes(diagram.shared[-1].shape)
    total = sum(layer.parameters for layer in diagram.shared)
    title = f"shared by all tasks: {features} features, {total:,} parameters"
    parts = [
        f'<rect class="s" x="{_MARGIN}" y="{top}" width="{width - 2 * _MARGIN}" '
        f'height="{height}" rx="7"/>',
        _text("left", 84, top + 24, title),
        _text("n right", width - 220, top + 24, "output shape"),
        _text("n right", width - 84, top + 24, "parameters"),
    ]
    for index, layer in enumerate(reversed(diagram.shared)):
        y = top + _HEAD + _ROW * index
        parts += [
            f'<path class="r" d="M72,{y} L{width - 72},{y}"/>',
            _text("left", 84, y + 17, captions.short_name(layer)),
            _text("n left", _steps_left(diagram), y + 17, captions.layer_steps(layer)),
            _text("n right", width - 220, y + 17, captions.sizes(layer.shape)),
            _text("n right", width - 84, y + 17, f"{layer.parameters:,}"),
        ]
    return parts


def _box(kind, centre, y, width, height, lines):
    """Draw a box with lines of text; empty lines are skipped."""
    lines = list(filter(None, lines))
    baseline = y + (height - 18 * (len(lines) - 1)) / 2 + 5
    parts = [
        f'<rect class="{kind}" x="{centre - width / 2}" y="{y}" width="{width}" '
        f'height="{height}" rx="7"/>'
    ]
    for index, line in enumerate(lines):
        parts.append(_text("n" if index else "m", centre, baseline + 18 * index, line))
    return parts


def _text(kind, x, y, words):
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


def _arrow(path):
    return f'<path class="e" d="{path}" marker-end="url(#h)"/>'
