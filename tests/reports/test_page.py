"""mtl.reports.page: self-contained documents, escaping, images and tables."""

import base64
import hashlib
import io
import pathlib
import re

import numpy as np
import pytest
from contrast import contrast, in_dark_mode
from html_check import data, tree
from PIL import Image

from mtl.reports import page, plot

HOSTILE = "</script><img src=x onerror=alert(1)>.png"
BODY = "<main><h1>head</h1></main>"


def policy_of(document):
    return document.one("meta", http_equiv="Content-Security-Policy").attributes["content"]


# -- the document ----------------------------------------------------------------------------------


def test_a_page_without_a_script_allows_none():
    document = tree(page.document("a & <b>", BODY))
    assert document.one("title").text == "a & <b>" and document.one("h1").text == "head"
    assert document.all("script") == []
    assert "script-src 'none'" in policy_of(document)


def test_only_a_page_that_connects_may_send_requests_and_only_to_its_own_server():
    policy = policy_of(tree(page.document("t", BODY)))
    assert "connect-src" not in policy and policy.startswith("default-src 'none'")
    connected = policy_of(tree(page.document("t", BODY, connects=True)))
    assert connected == f"{policy}; connect-src 'self'"


def test_the_policy_names_style_and_script_by_their_hash():
    script = "let a = 1 < 2 && '\u00e9'"
    document = tree(page.document("t", BODY, style="h1 { color: red }", script=script))
    (style,) = document.one("style").children
    assert style.startswith(pathlib.Path(page.STYLE).read_text(encoding="utf-8"))
    assert style.endswith("h1 { color: red }")
    assert document.one("script").children == [script]
    for name, content in [("style", style), ("script", script)]:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy_of(document)


def test_data_comes_back_unchanged_and_cannot_end_its_element():
    given = {"name": HOSTILE, "rows": [1, 0.1, None, "caf\udce9", "\u2028"]}
    text = page.document("t", BODY, data=given, script="x")
    assert data(tree(text)) == given
    assert "<img" not in text and text.count("</script>") == 2


@pytest.mark.parametrize("given", [False, 0, "", [], {}])
def test_empty_data_is_data(given):
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
def test_rejects_content_that_would_break_the_page(given):
    with pytest.raises(ValueError):
        page.document("t", BODY, **given)


@pytest.mark.parametrize(
    "text, expected",
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
def test_escape(text, expected):
    assert page.escape(text) == expected and isinstance(page.escape(text), page.Html)


@pytest.mark.parametrize("text", ["a", "", " ", "mtl x \\\n  --a_b=<c> --d", "  a\n\n b\n"])
def test_words_keep_the_text_and_have_an_element_each(text):
    body = f"<main><h1>h</h1><pre>{page.words(text)}</pre></main>"
    pre = tree(page.document("t", body)).one("pre")
    assert [node.text for node in pre.all("span", class_="word")] == text.split()
    shown = [child if isinstance(child, str) else child.text for child in pre.children]
    assert "".join(shown) == text


# -- images ----------------------------------------------------------------------------------------


def decoded(uri):
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)))


def test_an_image_comes_back_bit_for_bit(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(decoded(page.png(image)), image)
    np.testing.assert_array_equal(decoded(page.png(image[::-1, ::2])), image[::-1, ::2])
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded(page.png_file(str(tmp_path / "a.png"))), image)


@pytest.mark.parametrize("shape, dtype", [([5, 7, 3], "f4"), ([5, 7], "u1"), ([5, 7, 4], "u1")])
def test_rejects_an_image_of_another_type_or_shape(shape, dtype):
    with pytest.raises(ValueError, match=r"uint8 \[h, w, 3\]"):
        page.png(np.zeros(shape, dtype))


# -- tables ----------------------------------------------------------------------------------------


def diagonal(y, x):
    return "hit" if x == y else ""


def test_a_table_formats_values_and_names_its_region():
    columns = {"task": "", "n": ",d", "share": ".1%"}
    rows = [["<i>", 1234, 0.5], ["b", None, None]]
    made = page.table(columns, rows, "a < b", mark=diagonal)
    document = tree(page.document("t", f"<main><h1>h</h1>{made}</main>"))
    table = document.one("table")
    assert table.rows() == [
        ["task", "n", "share"],
        ["<i>", "1,234", "50.0%"],
        ["b", page.NOTHING, page.NOTHING],
    ]
    assert [cell.attributes.get("class", "") for cell in table.all("td")] == [
        "number",
        "number",
        "number hit",
        "number",
    ]
    headers = [(cell.attributes["scope"], cell.attributes.get("class")) for cell in table.all("th")]
    assert headers == [
        ("col", None),
        ("col", "number"),
        ("col", "number"),
        ("row", "hit"),
        ("row", None),
    ]
    region = document.one(role="region").attributes
    assert region["aria-label"] == table.one("caption").text == "a < b"
    assert region["tabindex"] == "0"


def test_rejects_a_row_of_another_length():
    with pytest.raises(ValueError):
        page.table({"a": "", "b": ""}, [["x"]], "c")


# -- the style -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_requires(part):
    css = pathlib.Path(page.STYLE).read_text(encoding="utf-8")
    declared = css.split("@media screen and (prefers-color-scheme: dark)")[part]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})\b", declared))
    for background in ("paper", "card"):
        for text in ("ink", "quiet", "accent", "good", "bad"):
            assert contrast(colours[background], colours[text]) >= 4.5, (background, text)


def test_plots_have_visible_colours_in_dark_mode():
    css = pathlib.Path(page.STYLE).read_text(encoding="utf-8")
    assert ".plot img { filter: invert(.88) hue-rotate(180deg); }" in css
    background = in_dark_mode("#ffffff")
    assert f".plot {{ background: {background}; }}" in css
    assert contrast(in_dark_mode("#000000"), background) >= 4.5
    for colour in [plot.BLUE, plot.ORANGE, plot.GREY, *[colour for colour, _ in plot._STYLES]]:
        assert contrast(colour, "#ffffff") >= 3.0, colour
        assert contrast(in_dark_mode(colour), background) >= 3.0, colour


def test_sections_have_links_and_headings():
    parts = [("one", "First", "<p>1</p>"), ("two", "Second", "<p>2</p>")]
    body = page.sectioned("a < b", "<p>lead</p>", parts)
    document = tree(page.document("title", body))
    assert document.one("h1").text == "a < b"
    links = document.one("nav").all("a")
    assert [each.text for each in links] == ["First", "Second"]
    for each, (name, heading, _) in zip(links, parts):
        section = document.one("section", id=name)
        assert each.attributes["href"] == f"#{name}"
        assert section.one("h2").text == heading
