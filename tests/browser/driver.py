"""Debian's Chromium, driven by Playwright, as somebody without a network who looks at pages that mtl wrote."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LOCAL = ("file:", "data:", "blob:", "about:")


class MissingError(Exception):
    """What is needed to drive a browser is not there; the message says how it is had."""


@contextlib.contextmanager
def browser():
    """Yield Playwright's Browser; MissingError where Chromium or Playwright is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingError(f"Playwright is missing ({error}): pip install playwright") from None
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if not path:
        raise MissingError("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        # Its own sandbox does not work for root, as in a container; what is opened here was written here.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


@contextlib.contextmanager
def page(browser, path, *, viewport=None, dark=False, allowed=LOCAL):
    """Open a page, yield it, and hold at the end that it asked for nothing and had no error.

    Args:
      browser: Playwright's Browser.
      path: a file, or a URL.
      viewport: dict of width and height in CSS pixels; DESKTOP where it is None.
      dark: bool, whether the person prefers dark pages.
      allowed: beginnings of the URLs that the page may ask for.

    Yields:
      Playwright's Page, loaded.

    Raises:
      AssertionError: it asked for something else, wrote an error to the console, or its script failed.
    """
    troubles = []
    viewport = viewport or DESKTOP
    context = browser.new_context(
        viewport=viewport,
        color_scheme="dark" if dark else "light",
        is_mobile=viewport is PHONE,
        has_touch=viewport is PHONE,
    )
    context.set_default_timeout(15_000)
    context.set_offline(allowed is LOCAL)
    try:
        opened = context.new_page()
        opened.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(allowed)
                else troubles.append(f"asked for {request.url[:200]}")
            ),
        )
        opened.on(
            "console",
            lambda message: (
                troubles.append(f"console: {message.text[:300]}")
                if message.type == "error"
                else None
            ),
        )
        opened.on("pageerror", lambda error: troubles.append(f"script: {error}"))
        opened.on(
            "dialog",
            lambda dialog: (troubles.append(f"dialog: {dialog.message[:200]}"), dialog.dismiss()),
        )
        opened.goto(
            path if "://" in str(path) else pathlib.Path(path).resolve().as_uri(), wait_until="load"
        )
        try:
            yield opened
        except AssertionError as error:
            raise AssertionError(
                "; ".join([*troubles, str(error)])
            ) from error  # what the browser said may be the cause
        assert not troubles, "; ".join(troubles)
    finally:
        context.close()


def until(page, expression, seconds=10.0):
    """Wait until JavaScript is true; AssertionError where it is not in time. Playwright's own way to wait is against the pages' policy."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        time.sleep(0.02)


def first_paint(page):
    """Return the milliseconds to the first contentful paint, float."""
    until(page, "performance.getEntriesByName('first-contentful-paint').length")
    return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")


def screenshots(browser, path, out, name):
    """Write NAME-light.png, NAME-dark.png and NAME-phone.png of a whole page into the folder `out`."""
    for kind, options in {
        "light": {},
        "dark": {"dark": True},
        "phone": {"viewport": PHONE},
    }.items():
        with page(browser, path, **options) as opened:
            opened.screenshot(path=os.path.join(out, f"{name}-{kind}.png"), full_page=True)


def check_layout(browser, path):
    """Hold what every page keeps: pictures loaded, no sideways scrolling of the whole on a phone, scroll regions reached by Tab."""
    for viewport in (DESKTOP, PHONE):
        with page(browser, path, viewport=viewport) as opened:
            width, shown = opened.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert width <= shown, (
                f"{viewport['width']} pixels wide: the page scrolls sideways, it is {width} wide"
            )
            broken = opened.evaluate(
                "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt)"
            )
            assert not broken, f"pictures that do not load: {broken[:3]}"
    with page(browser, path) as opened:
        assert opened.locator("h1").count() == 1 and opened.title(), (
            "a page has one h1, and a title"
        )
        wanted = opened.locator("[tabindex='0']:visible").count()
        reached = set()
        for _ in range(500):
            opened.keyboard.press("Tab")
            at = opened.evaluate(
                "(() => { const e = document.activeElement, all = [...document.querySelectorAll(\"[tabindex='0']\")];"
                " return e === document.body ? null : all.indexOf(e); })()"
            )
            if at is None:
                break
            reached.add(at)
        assert len(reached - {-1}) == wanted, (
            f"Tab reaches {len(reached - {-1})} of {wanted} regions that scroll"
        )


def mtl(*arguments):
    """Run a command of mtl from the root of the repository; AssertionError where it fails. Returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "mtl", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"mtl {arguments[0]}: {done.stderr.strip()}"
    return done.stdout
