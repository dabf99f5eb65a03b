"""HTML pages that are whole in one file and, by their own policy, ask nobody for anything. All pages that mtl writes are made of it.

Everything that comes from outside goes through `escape`. Attributes style="" are blocked by the policy, as an injected one would be:
use classes, attributes of SVG, or element.style in the script.
"""

import base64
import hashlib
import html
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.css")
NOTHING = "\u2013"  # an en dash, for a value that is None
# Control characters are errors in HTML, and those of the direction of writing could turn a file name into another one.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Html(str):
    """A text that is HTML already, which `escape` leaves as it is."""


def escape(text: Any) -> Html:
    """Write a text such that HTML shows it, in an element or in a quoted attribute.

    Args:
      text: anything str() takes. What is not UTF-8 (surrogates), control characters and marks of direction are shown as Python writes them:
        \\udce9, \\x1b. Html is left as it is.

    Returns:
      Html.
    """
    if isinstance(text, Html):
        return text
    shown = (
        _UNSHOWN.sub(lambda match: ascii(match[0])[1:-1], str(text))
        .encode("utf-8", "backslashreplace")
        .decode("utf-8")
    )
    return Html(html.escape(shown))


def document(title: str, body: str, *, style: str = "", script: str = "", data: Any = None) -> str:
    """Put a page together: the base style, a policy that lets it load nothing, and what is given.

    Args:
      title: str, plain text.
      body: str, the HTML of the body.
      style: str, CSS that comes after the base style.
      script: str, JavaScript that runs when the body is there; none but this one may run.
      data: what JSON can say, read with JSON.parse(document.getElementById("data").textContent); None is no data.

    Returns:
      str, the whole document, pure UTF-8; it ends in a newline.

    Raises:
      ValueError: data holds NaN or infinity, or style or script would end its element before its end.
    """
    with open(STYLE, encoding="utf-8") as file:
        css = file.read() + style
    for name, text in (("style", css), ("script", script)):
        if re.search(r"</(style|script)|<!--|\r", text, re.IGNORECASE):
            raise ValueError(f"{name} must hold no </style, </script, <!-- and no carriage return")
    scripts = _hash(script) if script else "'none'"
    policy = f"default-src 'none'; img-src data:; style-src {_hash(css)}; script-src {scripts}; base-uri 'none'; form-action 'none'"
    # "<" cannot end the element early when it is written as JSON's own escape of it; surrogates are escaped as all that is not ASCII.
    encoded = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="data:,">',  # else a browser asks the server for one
        f"<title>{escape(title)}</title>",
        f"<style>{css}</style>",
        "</head>",
        "<body>",
        body,
        *[f'<script type="application/json" id="data">{encoded}</script>'] * (data is not None),
        *[f"<script>{script}</script>"] * bool(script),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _hash(text):
    """Name an inline element in the policy by what it holds."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}'"


def png(image: np.ndarray) -> str:
    """Encode a picture (uint8 [height, width, 3], RGB) as the data: URI of a PNG; ValueError where it is of another shape or type."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image must be uint8 [h, w, 3], got {image.dtype} {list(image.shape)}")
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, format="PNG", optimize=True)
    return _uri(encoded.getvalue())


def png_file(path: str) -> str:
    """Return a PNG file as a data: URI; OSError where it cannot be read."""
    with open(path, "rb") as file:
        return _uri(file.read())


def _uri(content):
    return "data:image/png;base64," + base64.b64encode(content).decode()


def table(
    columns: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
    caption: str,
    *,
    mark: Callable[[int, int], str] | None = None,
) -> Html:
    """Write a table that scrolls sideways within a region of its own, which the keyboard reaches.

    Args:
      columns: dict header -> how its values are written: "" as text, else a format such as ",d", ".2%" or ".4f", for numbers on the right.
      rows: sequences of as many values; the first of each heads its row. None is a dash.
      caption: str, what the table shows; each table of a page has its own.
      mark: function (row, column) -> the class of a cell, or "", both counted from 0; or None.

    Returns:
      Html.

    Raises:
      ValueError: a row has more or fewer values than there are columns.
    """

    def cell(tag, value, spec, classes, scope):
        classes = " ".join(filter(None, ["number" if spec else "", classes]))
        classes = f' class="{classes}"' if classes else ""
        shown = NOTHING if value is None else escape(format(value, spec) if spec else value)
        return f"<{tag}{classes}{scope}>{shown}</{tag}>"

    head = "".join(
        cell("th", name, "", "number" if spec else "", ' scope="col"')
        for name, spec in columns.items()
    )
    lines = []
    for y, row in enumerate(rows):
        cells = [
            cell(
                "td" if x else "th",
                value,
                spec,
                mark(y, x) if mark else "",
                "" if x else ' scope="row"',
            )
            for x, (value, spec) in enumerate(zip(row, columns.values(), strict=True))
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    caption, body = escape(caption), "\n".join(lines)
    return Html(
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0">\n<table>\n<caption>{caption}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )
