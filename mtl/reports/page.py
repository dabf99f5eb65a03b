"""Self-contained HTML pages, with a content security policy that blocks requests.

Pass all text from outside through `escape`. The policy also blocks style="": use classes, SVG
attributes, or element.style in the script.
"""

import base64
import hashlib
import html
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.css")
NOTHING = "\u2013"  # an en dash, for None
# HTML forbids control characters. Bidirectional marks could disguise a file name.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Html(str):
    """Text that is already HTML. `escape` returns it unchanged."""


def escape(text: Any) -> Html:
    r"""Return text as HTML, for an element or for a quoted attribute.

    Args:
      text: any object; str() is applied. Surrogates (bytes that are not UTF-8), control characters
        and bidirectional marks are written as Python escapes: \udce9, \x1b.
    """
    if isinstance(text, Html):
        return text
    shown = _HIDDEN.sub(_as_ascii, str(text))
    return Html(html.escape(shown.encode("utf-8", "backslashreplace").decode("utf-8")))


def _as_ascii(match):
    return ascii(match[0])[1:-1]


def words(text: Any) -> Html:
    """Return text as HTML for a <pre>, each word in an element that stays on one line if it fits.

    Without this a browser breaks a command after any hyphen, also between "--" and the flag.
    """
    parts = re.split(r"(\s+)", str(text))  # the odd ones are white space
    marked = [f'<span class="word">{escape(part)}</span>' if part else "" for part in parts[::2]]
    return Html("".join(map("".join, itertools.zip_longest(marked, parts[1::2], fillvalue=""))))


# -- the document ----------------------------------------------------------------------------------


def document(
    title: str,
    body: str,
    *,
    style: str = "",
    script: str = "",
    data: Any = None,
    connects: bool = False,
) -> str:
    """Return a whole HTML document, with the base style and a policy that blocks requests.

    Args:
      title: plain text.
      body: HTML.
      style: CSS, added to the base style.
      script: JavaScript that runs after the body is parsed. The policy blocks any other script.
      data: a value for JSON, or None. The script reads it with
        JSON.parse(document.getElementById("data").textContent).
      connects: whether the script may send requests to the server of the page. By default the
        policy blocks every request.

    Raises:
      ValueError: data contains NaN or infinity, or style or script would end its element early.
    """
    with open(STYLE, encoding="utf-8") as file:
        css = file.read() + style
    _check_inline("style", css)
    _check_inline("script", script)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(css, script, connects)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="data:,">',  # otherwise a browser requests an icon
        f"<title>{escape(title)}</title>",
        f"<style>{css}</style>",
        "</head>",
        "<body>",
        body,
    ]
    if data is not None:
        # \u003c is "<", which could end the element.
        encoded = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
        lines.append(f'<script type="application/json" id="data">{encoded}</script>')
    if script:
        lines.append(f"<script>{script}</script>")
    return "\n".join([*lines, "</body>", "</html>"]) + "\n"


def sectioned(title: str, lead: str, parts: Sequence[tuple[str, str, str]]) -> str:
    """Return the body of a page: a heading, links to the sections, and the sections.

    Args:
      title: the text of the heading.
      lead: HTML below it.
      parts: id, heading and HTML of each section.
    """
    links = [f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in parts]
    lines = [
        '<a class="skip" href="#content">Skip to the content</a>',
        f"<header>\n<h1>{escape(title)}</h1>\n{lead}\n</header>",
        f'<nav aria-label="Sections"><ul>{"".join(links)}</ul></nav>',
        '<main id="content">',
    ]
    for name, heading, content in parts:
        lines.append(f'<section id="{name}" aria-labelledby="{name}-heading">')
        lines.append(f'<h2 id="{name}-heading">{heading}</h2>\n{content}\n</section>')
    return "\n".join([*lines, "</main>"])


def _check_inline(name, text):
    if re.search(r"</(style|script)|<!--|\r", text, re.IGNORECASE):
        raise ValueError(f"{name} must not contain </style, </script, <!-- or a carriage return")


def _policy(css, script, connects):
    """Return the Content-Security-Policy of a page."""
    scripts = _hash(script) if script else "'none'"
    directives = [
        "default-src 'none'",
        "img-src data:",
        f"style-src {_hash(css)}",
        f"script-src {scripts}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if connects:
        directives.append("connect-src 'self'")
    return "; ".join(directives)


def _hash(text):
    """Return the hash by which the policy allows an inline element."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# -- images ----------------------------------------------------------------------------------------


def png(image: np.ndarray) -> str:
    """Return an image, uint8 [height, width, 3], as the data: URI of a PNG.

    Raises:
      ValueError: the image has another type or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image must be uint8 [h, w, 3], got {image.dtype} {list(image.shape)}")
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, format="PNG", optimize=True)
    return _uri(encoded.getvalue())


def png_file(path: str) -> str:
    """Return a PNG file as a data: URI."""
    with open(path, "rb") as file:
        return _uri(file.read())


def _uri(content):
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


# -- tables ----------------------------------------------------------------------------------------


def table(
    columns: Mapping[str, str] | Sequence[tuple[str, str]],
    rows: Iterable[Sequence[Any]],
    caption: str,
    *,
    mark: Callable[[int, int], str] | None = None,
) -> Html:
    """Return a table in a region that scrolls sideways and can have the keyboard focus.

    Args:
      columns: dict header -> format of its values: "" for text, or a format such as ",d", ".2%" or
        ".4f" for numbers, which are right-aligned. Pairs (header, format) if headers may be equal.
      rows: each with one value for each column. The first value is the header of its row. None is
        shown as a dash.
      caption: what the table shows, different for each table of a page.
      mark: function (row, column) -> class of a cell, or ""; both count from 0.

    Raises:
      ValueError: a row has more or fewer values than columns.
    """
    head, columns = "", list(columns.items() if isinstance(columns, Mapping) else columns)
    for name, spec in columns:
        head += _cell("th", ' scope="col"', escape(name), "number" if spec else "")
    lines = []
    for y, row in enumerate(rows):
        line = ""
        for x, (value, (_, spec)) in enumerate(zip(row, columns, strict=True)):
            tag, scope = ("td", "") if x else ("th", ' scope="row"')
            classes = ["number" if spec else "", mark(y, x) if mark else ""]
            line += _cell(tag, scope, formatted(value, spec), " ".join(filter(None, classes)))
        lines.append(f"<tr>{line}</tr>")
    caption, body = escape(caption), "\n".join(lines)
    return Html(
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0">\n'
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def formatted(value: Any, spec: str) -> Html:
    """Return a value as HTML, None as a dash; spec: a format as in `table`."""
    if value is None:
        return Html(NOTHING)
    return escape(format(value, spec) if spec else value)


def _cell(tag, scope, content, classes):
    named = f' class="{classes}"' if classes else ""
    return f"<{tag}{named}{scope}>{content}</{tag}>"
