"""Look at pages that mtl wrote in Debian's Chromium, as a person does, and take screenshots of them.

    python -m tests.browser [--out=DIR] [names...]

It needs Chromium (apt-get install chromium) and Playwright (pip install playwright), and downloads no browser.
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
# A check is a module with check(browser, out), which raises AssertionError and writes screenshots into the folder `out`.
CHECKS = sorted(
    path.stem for path in HERE.glob("*.py") if path.stem not in ("__init__", "__main__", "driver")
)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser",
        description="Check pages in Chromium; exit 1 where one fails.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(CHECKS)}; all without one"
    )
    parser.add_argument("--out", help="the folder for screenshots; a new one by default")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in CHECKS]
    if unknown:
        return _fail(f"no check {unknown[0]!r}; there are {', '.join(CHECKS)}")
    try:
        out = arguments.out or tempfile.mkdtemp(prefix="screenshots")
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        return _fail(
            f"--out={arguments.out}: no folder can be made there ({error.strerror}); choose another"
        )
    failed = False
    try:
        with driver.browser() as browser:
            for name in arguments.names or CHECKS:
                failed |= not _one(name, browser, out)
    except driver.MissingError as error:
        return _fail(error)
    print(f"screenshots: {out}")
    return int(failed)


def _one(name, browser, out):
    """Run a check, print one line of it, and return whether it was good."""
    start = time.monotonic()
    try:
        importlib.import_module(f"tests.browser.{name}").check(browser, out)
    except Exception as error:  # Playwright's own among them: the other checks go on
        print(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:500]}", flush=True)
        return False
    print(f"{name}: good, {time.monotonic() - start:.0f} s", flush=True)
    return True


def _fail(message):
    print(f"python -m tests.browser: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
