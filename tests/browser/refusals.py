"""The driver itself: it rejects pages that break one rule each."""

import pathlib
import tempfile

import numpy as np

from mtl.reports import page
from tests.browser import driver

START = (
    "<!DOCTYPE html><html lang=en><title>t</title>"
    "<meta name=viewport content='width=device-width'><body><h1>t</h1>"
)
# HTML -> a part of the reason.
BROKEN = {
    '<img alt=a src="https://example.org/a.png">': "requested",
    '<link rel=stylesheet href="https://example.org/a.css">': "requested",
    "<script>fetch('https://example.org').catch(() => 0)</script>": "requested",
    "<script>nothing.at.all</script>": "script:",
    "<script>console.error('x')</script>": "console:",
    "<script>setTimeout(() => alert(1))</script>": "dialog:",
    "<meta http-equiv='Content-Security-Policy' content=\"style-src 'none'\">"
    "<p style='color: red'>x</p>": "console:",
    '<img alt=a src="data:image/png;base64,AAAA">': "do not load",
    '<div style="width: 500px">x</div>': "scrolls sideways",
    "<div style='width: 200px; overflow: auto'><table><caption><div style='width: 900px'>x</div>"
    "</caption></table></div>": "CAPTION passes the edge",
    "<div class=plot style='width: 90px'><img width=100 alt=a src='PIXEL'></div>": "IMG a",
    "<p style='font-size: 8px'>x</p>": "P is too small x",
    "<a href='#x'>a_b</a>": "A has a line at its letters a_b",
    "<h1>z</h1>": "exactly one h1",
    "<a href='#x' tabindex=5 style='text-underline-offset: 4px'>x</a>"
    "<div inert><p tabindex=0>x</p></div>": "Tab reaches 0 of 1",
}


def check(browser, out):
    """Check that the driver rejects broken pages, and accepts one that is not; no screenshots."""
    pixel = page.png(np.zeros((1, 1, 3), np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "page.html")
        whole = f"{START}<p tabindex=0>x</p><img alt=a src='{pixel}'>"
        path.write_text(whole, encoding="utf-8")
        driver.check_layout(browser, path)
        for body, reason in BROKEN.items():
            path.write_text(START + body.replace("PIXEL", pixel), encoding="utf-8")
            _check_rejected(browser, path, reason)


def _check_rejected(browser, path, reason):
    try:
        driver.check_layout(browser, path)
    except AssertionError as error:
        assert reason in str(error), f"{path.read_text()}: rejected for another reason: {error}"
    else:
        raise AssertionError(f"{path.read_text()}: not rejected")
