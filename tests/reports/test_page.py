"""Pages that are whole in themselves."""

import base64
import hashlib
import io
import pathlib
import re

import numpy as np
import pytest
from html_check import data, tree
from PIL import Image

from mtl.reports import page

HOSTILE = "</script><img src=x onerror=alert(1)>.png"
BODY = "<main><h1>head</h1></main>"


def test_a_page_is_whole():
    got = tree(page.document("a & <b>", BODY))
    assert got.one("title").text == "a & <b>" and got.one("h1").text == "head"
    assert got.all("script") == []
    assert (
        "script-src 'none'"
        in got.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    )


def test_style_script_and_data_stand_in_it_and_the_policy_names_what_they_hold():
    given = {"name": HOSTILE, "rows": [1, 0.1, None, "caf\udce9", "\u2028"]}
    text = page.document(
        "t", BODY, style="h1 { color: red }", script="let a = 1 < 2 && '\u00e9'", data=given
    )
    got = tree(text)
    assert data(got) == given
    *_, script = got.all("script")
    assert script.children == ["let a = 1 < 2 && '\u00e9'"]
    (style,) = got.one("style").children
    assert style.endswith("h1 { color: red }") and style.startswith(
        pathlib.Path(page.STYLE).read_text(encoding="utf-8")
    )
    policy = got.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    for name, held in (("style", style), ("script", script.children[0])):
        digest = base64.b64encode(hashlib.sha256(held.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy
    assert "<img" not in text and text.count("</script>") == 2


@pytest.mark.parametrize("given", [False, 0, "", [], {}])
def test_data_that_is_empty_is_data(given):
    assert data(tree(page.document("t", BODY, data=given))) == given


@pytest.mark.parametrize(
    "given",
    [
        {"data": float("nan")},
        {"script": "'</script>'"},
        {"script": "'<!--'"},
        {"style": "</STYLE>"},
        {"style": "a\r"},
    ],
)
def test_what_would_break_the_page_is_refused(given):
    with pytest.raises(ValueError):
        page.document("t", BODY, **given)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("<a href=\"x\" title='y'>&", "&lt;a href=&quot;x&quot; title=&#x27;y&#x27;&gt;&amp;"),
        ("caf\udce9.png", "caf\\udce9.png"),
        ("\x1b[31m\x00\r\x7f\x85", "\\x1b[31m\\x00\\r\\x7f\\x85"),
        ("a\u202egnp.exe\u2066", "a\\u202egnp.exe\\u2066"),
        ("\u00e9\u4e2d\n\t", "\u00e9\u4e2d\n\t"),
        (None, "None"),
        (page.Html("<b>x</b>"), "<b>x</b>"),
    ],
)
def test_escape(text, shown):
    assert page.escape(text) == shown and isinstance(page.escape(text), page.Html)


def decoded(uri):
    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    )


def test_a_picture_is_the_same_to_the_bit(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(decoded(page.png(image)), image)
    np.testing.assert_array_equal(decoded(page.png(image[::-1, ::2])), image[::-1, ::2])
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded(page.png_file(str(tmp_path / "a.png"))), image)


@pytest.mark.parametrize(
    "image", [np.zeros((5, 7, 3)), np.zeros((5, 7), np.uint8), np.zeros((5, 7, 4), np.uint8)]
)
def test_another_shape_or_type_is_refused(image):
    with pytest.raises(ValueError, match=r"uint8 \[h, w, 3\]"):
        page.png(image)


def test_a_table():
    columns = {"task": "", "n": ",d", "share": ".1%"}
    rows = [["<i>", 1234, 0.5], ["b", None, None]]
    made = page.table(columns, rows, "a < b", mark=lambda y, x: "hit" if x == y else "")
    got = tree(page.document("t", f"<main><h1>h</h1>{made}</main>"))
    table = got.one("table")
    assert table.rows() == [
        ["task", "n", "share"],
        ["<i>", "1,234", "50.0%"],
        ["b", page.NOTHING, page.NOTHING],
    ]
    assert [cell.attributes.get("class", "") for cell in table.all("th") + table.all("td")] == [
        "", "number", "number", "hit", "", "number", "number", "number hit", "number",
    ]  # fmt: skip
    assert [cell.attributes["scope"] for cell in table.all("th")] == ["col"] * 3 + ["row"] * 2
    region = got.one(role="region")
    assert (
        region.attributes["aria-label"] == table.one("caption").text == "a < b"
        and region.attributes["tabindex"] == "0"
    )


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError):
        page.table({"a": "", "b": ""}, [["x"]], "c")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(
        w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
        for w, c in zip((0.2126, 0.7152, 0.0722), parts)
    )


def test_text_stands_out_from_its_ground_in_light_and_dark():
    css = pathlib.Path(page.STYLE).read_text(encoding="utf-8")
    sets = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})\b", part))
        for part in css.split("@media (prefers-color-scheme: dark)")
    ]
    for colours in sets:
        for ground in ("paper", "card"):
            for text in ("ink", "quiet", "accent", "good", "bad"):
                low, high = sorted(luminance(colours[name]) for name in (ground, text))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (
                    ground,
                    text,
                )  # what WCAG 2 asks of small text


# -- the reader of pages finds what it looks for ----------------------------------------------------------------------------------------

PIXEL = '<img alt="a" src="data:image/png;base64,AA==">'


@pytest.mark.parametrize(
    "body",
    [
        "<main><h1>a</h1><p></main>",
        "<main><h1>a</h1></main></div>",
        "<main><h1>a</h1><h3>b</h3></main>",
        "<main><h2>a</h2></main>",
        "<main><h1>a</h1><h1>b</h1></main>",
        '<main><h1 id="a">a</h1><p id="a"></p></main>',
        '<main><h1>a</h1><a href="#gone">b</a></main>',
        '<main><h1>a</h1><a href="https://x.org">b</a></main>',
        '<main><h1>a</h1><a href="javascript:x">b</a></main>',
        '<main><h1>a</h1><label for="gone">b</label></main>',
        '<main><h1>a</h1><p style="color: red">b</p></main>',
        '<main><h1>a</h1><p onclick="x">b</p></main>',
        '<main><h1>a</h1><img src="data:image/png;base64,AA=="></main>',
        '<main><h1>a</h1><img alt="a" src="a.png"></main>',
        "<main><h1>a</h1><!-- b --></main>",
        '<main><h1>a</h1><p tabindex="0">b</p></main>',
        "<main><h1>a</h1><table><tr><th>b</th></tr></table></main>",
        '<main><h1>a</h1><table><caption>c</caption><tr><th scope="col">b</th></tr><tr><td>b</td><td>c</td></tr></table></main>',
        '<main><h1>a</h1><link rel="stylesheet" href="a.css"></main>',
    ],
)
def test_the_reader_refuses(body):
    with pytest.raises(AssertionError):
        tree(page.document("t", body))


def test_the_reader_takes_what_is_right():
    assert tree(
        page.document(
            "t", f'<main><h1 id="a">a</h1><a href="#a">b</a><a href="c.csv">d</a>{PIXEL}</main>'
        )
    ).one("img")
