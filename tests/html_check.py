"""A strict reader of the pages that mtl writes: well-formed, whole in itself, and usable with a keyboard and a screen reader."""

import html.parser
import json
import re
from typing import NamedTuple

VOID = {
    "meta",
    "link",
    "img",
    "br",
    "hr",
    "input",
    "path",
    "rect",
    "circle",
    "line",
    "polyline",
    "polygon",
}
RAW = {"style", "script"}


class Node(NamedTuple):
    """An element: its children are Nodes and str, in their order."""

    tag: str
    attributes: dict
    children: list

    def all(self, tag=None, **wanted):
        """List the elements below, in their order, of a tag and with attributes (class_ is class, data_x is data-x)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        found = []
        for child in self.children:
            if isinstance(child, Node):
                fits = tag in (None, child.tag) and all(
                    child.attributes.get(name) == value for name, value in wanted.items()
                )
                found += [child] * fits + child.all(
                    tag, **{name.replace("-", "_"): value for name, value in wanted.items()}
                )
        return found

    def one(self, tag=None, **wanted):
        """Return the only such element."""
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} elements {tag} {wanted}"
        return found[0]

    @property
    def text(self):
        """All text below, each run of white space as one blank; without style and script."""
        parts = [child if isinstance(child, str) else f" {child.text} " for child in self.children]
        return " ".join("".join(parts).split()) if self.tag not in RAW else ""

    def rows(self):
        """Return the cells of a table as text, the header first."""
        return [
            [cell.text for cell in row.children if isinstance(cell, Node)] for row in self.all("tr")
        ]


class _Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = Node("", {}, [])
        self.open = [self.root]

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        assert len(attributes) == len(pairs), f"<{tag}> has an attribute twice: {pairs}"
        node = Node(tag, {name: "" if value is None else value for name, value in pairs}, [])
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, pairs):
        assert tag in VOID, f"<{tag}/> is not closed in HTML"
        self.handle_starttag(tag, pairs)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, (
            f"</{tag}> closes <{self.open[-1].tag}>, line {self.getpos()[0]}"
        )
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data[:80]}")


def tree(text):
    """Read a page and hold it against all that every page keeps.

    Args:
      text: str, the whole document.

    Returns:
      Node, the element html.

    Raises:
      AssertionError: it is not such a page; the message says why.
    """
    assert text.startswith("<!DOCTYPE html>\n") and text.endswith("</html>\n")
    text.encode("utf-8")  # a lone surrogate cannot be written
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.open == [parser.root], f"never closed: {[node.tag for node in parser.open[1:]]}"
    page = parser.root.one("html")
    _head(page)
    _whole_in_itself(page, text)
    _references(page)
    _headings(page)
    _tables_and_pictures(page)
    return page


def data(page):
    """Return what the page's data says: strict JSON."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads("".join(page.one("script", id="data").children), parse_constant=refuse)


def _head(page):
    assert page.attributes["lang"] == "en"
    head, body = (node for node in page.children if isinstance(node, Node))
    assert (head.tag, body.tag) == ("head", "body")
    assert head.one("title").text
    assert [meta.attributes for meta in head.all("meta")][0] == {"charset": "utf-8"}
    assert "width=device-width" in head.one("meta", name="viewport").attributes["content"]
    assert not re.search(
        r"maximum-scale|user-scalable", head.one("meta", name="viewport").attributes["content"]
    )


def _whole_in_itself(page, text):
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert (
        policy.startswith("default-src 'none'; img-src data:;")
        and "unsafe" not in policy
        and "http" not in policy
    )
    for node in page.all():
        for name, value in node.attributes.items():
            assert not name.startswith("on") and name not in (
                "style",
                "srcset",
                "action",
                "background",
                "poster",
            ), f"{node.tag} {name}"
            if name == "src":
                assert re.match(r"data:image/(png|svg\+xml);base64,", value), (
                    f"{node.tag} {name}={value[:80]}"
                )
            if name in ("href", "xlink:href"):
                fetched = node.tag != "a"
                assert (
                    value.startswith("data:")
                    if fetched
                    else not re.match(r"[a-z]+:|//", value, re.I)
                ), f"{node.tag} {name}={value[:80]}"
        assert node.tag not in ("iframe", "object", "embed", "base", "form")
    css = "".join(child for node in page.all("style") for child in node.children)
    assert not re.search(r"@import|url\(", css), "the style fetches something"


def _references(page):
    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids)), (
        f"ids twice: {sorted({each for each in ids if ids.count(each) > 1})}"
    )
    for node in page.all():
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            for target in node.attributes.get(name, "").split():
                assert target in ids, f"{node.tag} {name}={target}: no such id"
        if node.attributes.get("href", "").startswith("#"):
            assert node.attributes["href"][1:] in ids, f"{node.attributes['href']}: no such id"


def _headings(page):
    levels = [int(node.tag[1]) for node in page.all() if re.fullmatch("h[1-6]", node.tag)]
    assert levels[:1] == [1] and levels.count(1) == 1, f"one h1, first: {levels}"
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), (
        f"a level is left out: {levels}"
    )
    assert all(node.text for node in page.all() if re.fullmatch("h[1-6]", node.tag))
    assert len(page.all("main")) == 1


def _tables_and_pictures(page):
    for node in page.all("table"):
        assert node.one("caption").text
        assert all(
            cell.attributes.get("scope") in ("row", "col") for cell in node.all("th")
        ) and node.all("th", scope="col")
        assert len({len(row) for row in node.rows()}) == 1, (
            f"{node.one('caption').text}: rows of different lengths"
        )
    for node in page.all("img"):
        assert node.attributes.get("alt"), f"img without alt: {node.attributes.get('src', '')[:80]}"
    for node in page.all(tabindex="0"):
        assert node.attributes.get("role") and {"aria-label", "aria-labelledby"} & set(
            node.attributes
        ), f"what is it? {node.attributes}"
