"""Check the pages of mtl in Debian's Chromium, and take screenshots.

    python -m tests.browser [--out=DIR] [name ...]

This needs Chromium (apt-get install chromium) and Playwright (pip install playwright), and
downloads no browser. A check is a module of this folder with a function check(browser, out). It
raises AssertionError, and writes screenshots into the folder `out`.
"""

import argparse
import importlib
import os
import pathlib
import sys
import tempfile
import time

from tests.browser import driver

HERE = pathlib.Path(__file__).parent
NOT_CHECKS = ("__init__", "__main__", "driver", "serve_steps")
CHECKS = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_CHECKS)


def main():
    arguments = _parse()
    for name in arguments.names:
        if name not in CHECKS:
            return _fail(f"unknown check {name!r}; choose from {', '.join(CHECKS)}")
    try:
        out = arguments.out or tempfile.mkdtemp(prefix="screenshots")
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        reason = f"cannot create this folder ({error.strerror})"
        return _fail(f"--out={arguments.out}: {reason}; choose another")
    try:
        with driver.browser() as browser:
            passed = [_run(name, browser, out) for name in arguments.names or CHECKS]
    except driver.MissingError as error:
        return _fail(error)
    print(f"screenshots: {out}")
    return 0 if all(passed) else 1


def _parse():
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser",
        description="Check the pages of mtl in Chromium. Exit with 1 if a check fails.",
    )
    text = f"checks to run: {', '.join(CHECKS)}; default all"
    parser.add_argument("names", nargs="*", metavar="name", help=text)
    parser.add_argument("--out", help="folder for the screenshots; default a new one")
    return parser.parse_args()


def _run(name, browser, out):
    """Run a check, print one line about it, and return whether it passed."""
    start = time.monotonic()
    try:
        importlib.import_module(f"tests.browser.{name}").check(browser, out)
    except Exception as error:  # also errors of Playwright: the other checks still run
        reason = " ".join(str(error).split())[:500]
        print(f"{name}: {type(error).__name__}: {reason}", flush=True)
        return False
    print(f"{name}: passed in {time.monotonic() - start:.0f} s", flush=True)
    return True


def _fail(message):
    print(f"python -m tests.browser: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
