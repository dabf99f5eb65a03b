"""A strict parser for the pages of mtl.

It checks that a page is well-formed and self-contained, and usable with a keyboard and a screen
reader.
"""

import html.parser
import json
import re
from typing import NamedTuple

# Elements without an end tag.
VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}
VOID |= {"path", "rect", "circle", "line", "polyline", "polygon"}
RAW = {"style", "script"}
FORBIDDEN_ELEMENTS = {"iframe", "object", "embed", "base", "form"}
FORBIDDEN_ATTRIBUTES = {"style", "srcset", "action", "background", "poster"}
POLICY = "default-src 'none'; img-src data:;"


class Node(NamedTuple):
    """An element. Its children are Nodes and str, in order."""

    tag: str
    attributes: dict
    children: list

    def all(self, tag=None, **wanted):
        """List the elements below with a tag and attributes: class_ is class, data_x is data-x."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [node for node in self._below() if node._matches(tag, wanted)]

    def one(self, tag=None, **wanted):
        """Return the only such element."""
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} elements {tag} {wanted}"
        return found[0]

    @property
    def text(self):
        """All text below, white space collapsed, without style and script."""
        if self.tag in RAW:
            return ""
        parts = [child if isinstance(child, str) else f" {child.text} " for child in self.children]
        return " ".join("".join(parts).split())

    def rows(self):
        """Return the cells of a table as text, the header first."""
        return [[cell.text for cell in row._elements()] for row in self.all("tr")]

    def _elements(self):
        return [child for child in self.children if isinstance(child, Node)]

    def _below(self):
        for child in self._elements():
            yield child
            yield from child._below()

    def _matches(self, tag, wanted):
        if tag not in (None, self.tag):
            return False
        return all(self.attributes.get(name) == value for name, value in wanted.items())


class _Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = Node("", {}, [])
        self.open = [self.root]

    def handle_starttag(self, tag, pairs):
        attributes = {name: value or "" for name, value in pairs}
        assert len(attributes) == len(pairs), f"<{tag}> has an attribute twice: {pairs}"
        node = Node(tag, attributes, [])
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, pairs):
        assert tag in VOID, f"<{tag}/> is not closed in HTML"
        self.handle_starttag(tag, pairs)

    def handle_endtag(self, tag):
        last = self.open.pop().tag
        assert last == tag, f"</{tag}> closes <{last}>, line {self.getpos()[0]}"

    def handle_data(self, data):
        self.open[-1].children.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data[:80]}")


def tree(text):
    """Parse a page, and check what every page must satisfy.

    Args:
      text: str, the whole document.

    Returns:
      Node, the element html.

    Raises:
      AssertionError: the page breaks a rule; the message says which.
    """
    assert text.startswith("<!DOCTYPE html>\n") and text.endswith("</html>\n")
    text.encode("utf-8")  # fails for a lone surrogate
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.open == [parser.root], f"not closed: {[node.tag for node in parser.open[1:]]}"
    page = parser.root.one("html")
    _check_head(page)
    _check_self_contained(page)
    _check_references(page)
    _check_headings(page)
    _check_tables(page)
    _check_labels(page)
    return page


def data(page):
    """Return the data of a page: strict JSON."""
    text = "".join(page.one("script", id="data").children)
    return json.loads(text, parse_constant=_reject_constant)


def _reject_constant(name):
    raise AssertionError(f"{name} is not JSON")


def _check_head(page):
    assert page.attributes["lang"] == "en"
    head, body = page._elements()
    assert (head.tag, body.tag) == ("head", "body")
    assert head.one("title").text
    assert head.all("meta")[0].attributes == {"charset": "utf-8"}
    viewport = head.one("meta", name="viewport").attributes["content"]
    assert "width=device-width" in viewport
    assert not re.search(r"maximum-scale|user-scalable", viewport), "users must be able to zoom"


def _check_self_contained(page):
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith(POLICY) and not re.search("unsafe|http", policy), policy
    for node in page.all():
        assert node.tag not in FORBIDDEN_ELEMENTS, node.tag
        for name, value in node.attributes.items():
            assert not name.startswith("on") and name not in FORBIDDEN_ATTRIBUTES, (node.tag, name)
            assert _is_local(node.tag, name, value), f"{node.tag} {name}={value[:80]}"
    css = "".join(child for node in page.all("style") for child in node.children)
    assert not re.search(r"@import|url\(", css), "the style loads something"


def _is_local(tag, name, value):
    """Return whether an attribute makes a browser request nothing."""
    if name == "src":
        return re.match(r"data:image/(png|svg\+xml);base64,", value) is not None
    if name in ("href", "xlink:href"):
        if tag == "a":  # a link to a file beside the page, or into the page
            return not re.match(r"[a-z]+:|//", value, re.IGNORECASE)
        return value.startswith("data:")
    return True


def _check_references(page):
    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids)), f"an id occurs twice: {sorted(ids)}"
    for node in page.all():
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            for target in node.attributes.get(name, "").split():
                assert target in ids, f"{node.tag} {name}={target}: no such id"
        link = node.attributes.get("href", "")
        if link.startswith("#"):
            assert link[1:] in ids, f"{link}: no such id"


def _check_headings(page):
    headings = [node for node in page.all() if re.fullmatch("h[1-6]", node.tag)]
    levels = [int(node.tag[1]) for node in headings]
    assert levels[:1] == [1] and levels.count(1) == 1, f"one h1, first: {levels}"
    for before, after in zip(levels, levels[1:]):
        assert after <= before + 1, f"a level is skipped: {levels}"
    assert all(node.text for node in headings)
    assert len(page.all("main")) == 1


def _check_tables(page):
    for table in page.all("table"):
        caption = table.one("caption").text
        assert caption
        scopes = [cell.attributes.get("scope") for cell in table.all("th")]
        assert set(scopes) <= {"row", "col"} and "col" in scopes, f"{caption}: {scopes}"
        assert len({len(row) for row in table.rows()}) == 1, f"{caption}: rows differ in length"


def _check_labels(page):
    """Check that a screen reader can name images and regions."""
    for node in page.all("img"):
        assert node.attributes.get("alt"), f"img without alt: {node.attributes.get('src', '')[:80]}"
    for node in page.all(tabindex="0"):
        names = {"aria-label", "aria-labelledby"} & set(node.attributes)
        assert node.attributes.get("role") and names, f"a region without a name: {node.attributes}"
