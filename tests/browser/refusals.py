"""The driver finds what it looks for: each of these pages breaks one rule, and is refused for it."""

import pathlib
import tempfile

import numpy as np

from mtl.reports import page
from tests.browser import driver

WHOLE = "<!DOCTYPE html><html lang=en><title>t</title><meta name=viewport content='width=device-width'><body><h1>t</h1>"
BROKEN = {
    '<img alt=a src="https://example.org/a.png">': "requested",
    '<link rel=stylesheet href="https://example.org/a.css">': "requested",
    "<script>fetch('https://example.org').catch(() => 0)</script>": "requested",
    "<script>nothing.at.all</script>": "script:",
    "<script>console.error('x')</script>": "console:",
    "<script>setTimeout(() => alert(1))</script>": "dialog:",
    '<meta http-equiv="Content-Security-Policy" content="style-src \'none\'"><p style="color: red">x</p>': "console:",
    '<img alt=a src="data:image/png;base64,AAAA">': "do not load",
    '<div style="width: 500px">x</div>': "scrolls sideways",
    "<h1>z</h1>": "exactly one h1",
    '<a href="#x" tabindex=5>x</a><div inert><p tabindex=0>x</p></div>': "Tab reaches 0 of 1",
}


def check(browser, out):
    """Hold the driver against pages that are broken, and one that is not; no screenshots."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "page.html")
        path.write_text(
            f"{WHOLE}<p tabindex=0>x</p><img alt=a src='{page.png(np.zeros((1, 1, 3), np.uint8))}'>",
            encoding="utf-8",
        )
        driver.check_layout(browser, path)
        for body, reason in BROKEN.items():
            path.write_text(WHOLE + body, encoding="utf-8")
            try:
                driver.check_layout(browser, path)
            except AssertionError as error:
                assert reason in str(error), f"{body}: refused for another reason: {error}"
            else:
                raise AssertionError(f"{body}: not refused")
