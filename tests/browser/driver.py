"""Debian's Chromium without a network, driven by Playwright, to check the pages of mtl."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LOCAL = ("file:", "data:", "blob:", "about:")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FOCUSED = """(() => {
    const all = [...document.querySelectorAll("[tabindex='0']")];
    const focused = document.activeElement;
    return focused === document.body ? null : all.indexOf(focused);
})()"""


# Faults that are visible without scrolling: captions and plots that pass the right edge of their
# container, text below 9 pixels, and links whose underline touches the letters.
_CUT = """(() => {
    const wrong = [];
    const note = (each, what) => wrong.push(`${each.tagName} ${what} ${each.textContent.trim()}`);
    const right = (each) => each.getBoundingClientRect().right;
    const wide = document.documentElement.clientWidth;
    const visible = (each) => each.getClientRects().length > 0;
    for (const each of document.querySelectorAll("caption, figcaption, h1, h2, h3, p, pre, dd")) {
        if (visible(each) && right(each) > wide) note(each, "passes the edge");
    }
    for (const each of document.querySelectorAll(":not(details) > .plot img")) {
        if (right(each) > right(each.parentElement)) wrong.push(`IMG ${each.alt}`);
    }
    for (const each of document.querySelectorAll("body *:not(script, style)")) {
        const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (own && visible(each) && parseFloat(getComputedStyle(each).fontSize) < 9) {
            note(each, "is too small");
        }
    }
    for (const each of document.querySelectorAll("a, .link")) {
        if (!(parseFloat(getComputedStyle(each).textUnderlineOffset) >= 3)) {
            note(each, "has a line at its letters");
        }
    }
    return wrong;
})()"""


class MissingError(Exception):
    """Chromium or Playwright is not installed. The message says how to install it."""


@contextlib.contextmanager
def browser():
    """Yield a Browser of Playwright; raise MissingError if Chromium or Playwright is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingError(f"Playwright is missing ({error}): pip install playwright") from None
    path = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not path:
        raise MissingError("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, as in a container. mtl wrote all pages itself.
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield opened
        finally:
            opened.close()


class _Problems(list):
    """What goes wrong on a page: requests, errors and dialogs."""

    def __init__(self, page, allowed, expected):
        super().__init__()
        self._allowed = allowed
        self._expected = expected
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("dialog", self._dialog)

    def _request(self, request):
        if not request.url.startswith(self._allowed):
            self.append(f"requested {request.url[:200]}")

    def _console(self, message):
        if message.type == "error" and not message.text.startswith(self._expected):
            self.append(f"console: {message.text[:300]}")

    def _error(self, error):
        self.append(f"script: {error}")

    def _dialog(self, dialog):
        self.append(f"dialog: {dialog.message[:200]}")
        dialog.dismiss()


@contextlib.contextmanager
def page(browser, path, *, viewport=DESKTOP, dark=False, allowed=LOCAL, expected=(), prepare=None):
    """Open a page, and check at the end that it had no error and requested nothing else.

    Args:
      browser: Browser of Playwright.
      path: a file or a URL.
      viewport: dict of width and height in CSS pixels.
      dark: whether the user prefers dark pages.
      allowed: prefixes of the URLs that the page may request.
      expected: prefixes of errors in the console that the page may log.
      prepare: function of the loaded page, such as one that fills in a form; None does nothing.

    Yields:
      Page of Playwright, loaded.

    Raises:
      AssertionError: the page requested another URL, logged an error, or its script failed.
    """
    context = browser.new_context(
        viewport=viewport,
        color_scheme="dark" if dark else "light",
        is_mobile=viewport is PHONE,
        has_touch=viewport is PHONE,
    )
    context.set_default_timeout(15_000)
    context.set_offline(allowed is LOCAL)
    url = str(path) if "://" in str(path) else pathlib.Path(path).resolve().as_uri()
    try:
        opened = context.new_page()
        problems = _Problems(opened, allowed, tuple(expected))
        opened.goto(url, wait_until="load")
        try:
            if prepare is not None:
                prepare(opened)
            yield opened
        except AssertionError as error:  # a problem may be the cause
            raise AssertionError("; ".join([*problems, str(error)])) from error
        assert not problems, "; ".join(problems)
    finally:
        context.close()


def until(page, expression, seconds=10.0):
    """Wait until a JavaScript expression is true; raise AssertionError after `seconds`.

    The security policy of our pages blocks Playwright's own way to wait.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"not true after {seconds:.0f} s: {expression}"
        time.sleep(0.02)


def first_paint(page):
    """Return the time of the first contentful paint in milliseconds."""
    entries = "performance.getEntriesByName('first-contentful-paint')"
    until(page, f"{entries}.length")
    return page.evaluate(f"{entries}[0].startTime")


def screenshots(browser, path, out, name, **settings):
    """Write NAME-light.png, NAME-dark.png and NAME-phone.png of a page into the folder `out`.

    The settings are those of `page`.
    """
    kinds = {"light": {}, "dark": {"dark": True}, "phone": {"viewport": PHONE}}
    for kind, options in kinds.items():
        with page(browser, path, **options, **settings) as opened:
            opened.screenshot(path=os.path.join(out, f"{name}-{kind}.png"), full_page=True)


def check_layout(browser, path, **settings):
    """Check what every page must satisfy: width, text, images, headings, and regions for Tab.

    The settings are those of `page`.
    """
    for viewport in (DESKTOP, PHONE):
        with page(browser, path, viewport=viewport, **settings) as opened:
            _check_width(opened, viewport["width"])
            cut = opened.evaluate(_CUT)
            assert not cut, f"at {viewport['width']} pixels these are cut or too small: {cut[:3]}"
            broken = opened.evaluate(
                "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt)"
            )
            assert not broken, f"images that do not load: {broken[:3]}"
    with page(browser, path, **settings) as opened:
        assert opened.locator("h1").count() == 1, "a page needs exactly one h1"
        assert opened.title(), "a page needs a title"
        _check_tab(opened)


def _check_width(opened, width):
    """Check that a page as a whole does not scroll sideways."""
    full = opened.evaluate("document.documentElement.scrollWidth")
    visible = opened.evaluate("document.documentElement.clientWidth")
    assert full <= visible, f"at {width} pixels the page scrolls sideways: it is {full} wide"


def _check_tab(opened):
    """Check that the Tab key reaches all regions that scroll."""
    wanted = opened.locator("[tabindex='0']:visible").count()
    reached = set()
    for _ in range(500):
        opened.keyboard.press("Tab")
        index = opened.evaluate(_FOCUSED)
        if index is None:
            break
        reached.add(index)
    reached.discard(-1)  # links and buttons
    assert len(reached) == wanted, f"Tab reaches {len(reached)} of {wanted} regions that scroll"


def mtl(*arguments):
    """Run a command of mtl from the root of the repository and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "mtl", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"mtl {arguments[0]}: {done.stderr.strip()}"
    return done.stdout


@contextlib.contextmanager
def served(model_dir, *arguments):
    """Run `mtl serve` on a free port; yield its URL, which ends with a slash."""
    command = [sys.executable, "-m", "mtl", "serve", f"--model_dir={model_dir}", "--port=0"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=log, stderr=log)
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.wait()


def _address(process, log):
    """Wait until a server prints where it serves, and return the URL."""
    end = time.monotonic() + 120
    while True:
        log.seek(0)
        text = log.read()
        found = re.search(r"^serving .* at (http://\S+)$", text, re.MULTILINE)
        if found:
            return f"{found[1]}/"
        alive = process.poll() is None and time.monotonic() < end
        assert alive, f"mtl serve does not start: {text[-300:]}"
        time.sleep(0.1)
