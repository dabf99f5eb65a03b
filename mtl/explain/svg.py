"""`mtl explain --format=svg`: the diagram as an image, with data flowing upwards."""

from html import escape

from mtl.explain import captions
from mtl.explain.diagram import Diagram

# All lengths are pixels.
_WIDTH = 900  # of the image, at least
_COLUMN = 146  # a task
_ROW = 24  # a shared layer
_HEAD = 38  # the title of the shared layers
_ADDS, _LOSSES, _TOPS, _SHARED = 62, 122, 200, 304  # vertical positions
_MARGIN = 60  # beside the shared layers
_STYLE = (
    ".b{fill:#dbe9f6;stroke:#2b5f8f}.s{fill:#cfe8d5;stroke:#2c7a43}.l{fill:#fbe3c8;stroke:#a86414}"
    ".a{fill:#eadcf3;stroke:#6b3fa0}.e{stroke:#666;fill:none;stroke-width:1.4}.h{fill:#888}"
    ".r{stroke:#2c7a43;opacity:.35}text{fill:#111;text-anchor:middle}.n{fill:#555;font-size:12px}"
    ".left{text-anchor:start}.right{text-anchor:end}.l+text{font-size:13px}"
    "@media(prefers-color-scheme:dark){.b{fill:#1d3c58;stroke:#7fb2de}"
    ".s{fill:#1d4a2b;stroke:#7cc592}.l{fill:#5a3a10;stroke:#e3a559}.a{fill:#412a5c;stroke:#b493da}"
    ".e{stroke:#aaa}.r{stroke:#7cc592}text{fill:#f2f2f2}.n{fill:#c4c4c4}}"
)


def render(diagram: Diagram) -> str:
    """Return a diagram as SVG, for light and dark backgrounds."""
    count = len(diagram.tasks)
    width = max(_WIDTH, _COLUMN * count + 24)
    left = (width - _COLUMN * count) / 2
    centres = [left + _COLUMN * (index + 0.5) for index in range(count)]
    image = _SHARED + _HEAD + _ROW * len(diagram.shared) + 34
    parts = _sum(diagram, centres)
    for task, x in zip(diagram.tasks, centres):
        parts += _task(task, x, width)
    parts += _shared(diagram, width)
    parts.append(_arrow(f"M{width / 2},{image} L{width / 2},{image - 32}"))
    parts += _box("b", width / 2 - 150, image, 300, 46, ["image", captions.image(diagram)])
    return "\n".join([*_head(diagram, width, image + 52), *parts, "</svg>"])


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


def _sum(diagram, centres):
    """Draw the chain of adds and the cost."""
    parts = []
    for index, x in enumerate(centres[1:]):
        before = centres[index]
        parts += [
            f'<circle class="a" cx="{x}" cy="{_ADDS}" r="15"/>',
            f'<text x="{x}" y="{_ADDS + 5}">+</text>',
            _arrow(f"M{x},{_LOSSES} L{x},{_ADDS + 17}"),
        ]
        start = f"M{before + 15},{_ADDS}" if index else f"M{before},{_LOSSES} L{before},{_ADDS}"
        parts.append(_arrow(f"{start} L{x - 17},{_ADDS}"))
    parts += _box("a", centres[-1] - 174, 6, 240, 28, [captions.cost(diagram)])
    end = _ADDS - 15 if diagram.adds else _LOSSES
    parts.append(_arrow(f"M{centres[-1]},{end} L{centres[-1]},36"))
    if diagram.adds:
        words = f"{len(diagram.adds)} tf.add, in the order of the losses"
        parts.append(_text("n", centres[0] + _COLUMN, 26, words))
    return parts


def _task(task, x, width):
    """Draw a loss, its top and the arrows between them."""
    start = min(max(x, 2 * _MARGIN), width - 2 * _MARGIN)
    return [
        *_box("l", x - 69, _LOSSES, 138, 44, [captions.formula(task), captions.note(task)]),
        *_box("b", x - 69, _TOPS, 138, 58, [task.name, *captions.top(task)]),
        _arrow(f"M{x},{_TOPS} L{x},{_LOSSES + 46}"),
        _arrow(f"M{start},{_SHARED} L{x},{_TOPS + 60}"),
    ]


def _shared(diagram, width):
    """Draw the shared layers, the first one at the bottom."""
    height = _HEAD + _ROW * len(diagram.shared)
    features = captions.sizes(diagram.shared[-1].shape)
    total = sum(layer.parameters for layer in diagram.shared)
    title = f"shared by all tasks: {features} features, {total:,} parameters"
    parts = [
        f'<rect class="s" x="{_MARGIN}" y="{_SHARED}" width="{width - 2 * _MARGIN}" '
        f'height="{height}" rx="7"/>',
        _text("left", 84, _SHARED + 24, title),
        _text("n right", width - 220, _SHARED + 24, "output shape"),
        _text("n right", width - 84, _SHARED + 24, "parameters"),
    ]
    for index, layer in enumerate(reversed(diagram.shared)):
        y = _SHARED + _HEAD + _ROW * index
        parts += [
            f'<path class="r" d="M72,{y} L{width - 72},{y}"/>',
            _text("left", 84, y + 17, captions.short_name(layer)),
            _text("n left", 190, y + 17, captions.layer_steps(layer)),
            _text("n right", width - 220, y + 17, captions.sizes(layer.shape)),
            _text("n right", width - 84, y + 17, f"{layer.parameters:,}"),
        ]
    return parts


def _box(kind, x, y, width, height, lines):
    """Draw a box with up to three lines of text; empty lines are skipped."""
    lines = list(filter(None, lines))
    baseline = y + (height - 18 * len(lines)) / 2 + 14
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>']
    for index, line in enumerate(lines):
        parts.append(_text("n" if index else "m", x + width / 2, baseline + 18 * index, line))
    return parts


def _text(kind, x, y, words):
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


def _arrow(path):
    return f'<path class="e" d="{path}" marker-end="url(#h)"/>'
