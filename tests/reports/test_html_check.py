"""tests/html_check.py itself: it rejects a page that breaks one rule."""

import pytest
from html_check import tree

from mtl.reports import page

IMAGE = '<img alt="a" src="data:image/png;base64,AA==">'
BROKEN = {
    "element not closed": "<main><h1>a</h1><p></main>",
    "stray end tag": "<main><h1>a</h1></main></div>",
    "level skipped": "<main><h1>a</h1><h3>b</h3></main>",
    "no h1": "<main><h2>a</h2></main>",
    "two h1": "<main><h1>a</h1><h1>b</h1></main>",
    "id twice": '<main><h1 id="a">a</h1><p id="a"></p></main>',
    "link to nowhere": '<main><h1>a</h1><a href="#gone">b</a></main>',
    "link to another host": '<main><h1>a</h1><a href="https://x.org">b</a></main>',
    "link with a script": '<main><h1>a</h1><a href="javascript:x">b</a></main>',
    "label of nothing": '<main><h1>a</h1><label for="gone">b</label></main>',
    "style attribute": '<main><h1>a</h1><p style="color: red">b</p></main>',
    "event attribute": '<main><h1>a</h1><p onclick="x">b</p></main>',
    "no alt": '<main><h1>a</h1><img src="data:image/png;base64,AA=="></main>',
    "image in a file": '<main><h1>a</h1><img alt="a" src="a.png"></main>',
    "comment": "<main><h1>a</h1><!-- b --></main>",
    "region without a name": '<main><h1>a</h1><p tabindex="0">b</p></main>',
    "no caption": "<main><h1>a</h1><table><tr><th>b</th></tr></table></main>",
    "rows of different length": (
        '<main><h1>a</h1><table><caption>c</caption><tr><th scope="col">b</th></tr>'
        "<tr><td>b</td><td>c</td></tr></table></main>"
    ),
    "style sheet in a file": '<main><h1>a</h1><link rel="stylesheet" href="a.css"></main>',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_rejects(body):
    with pytest.raises(AssertionError):
        tree(page.document("t", body))


def test_accepts_a_page_that_keeps_the_rules():
    body = f'<main><h1 id="a">a</h1><a href="#a">b</a><a href="c.csv">d</a>{IMAGE}</main>'
    assert tree(page.document("t", body)).one("img")
