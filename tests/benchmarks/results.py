"""RESULTS.md: one section for each benchmark, between two markers."""

import contextlib
import io
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).with_name("RESULTS.md")
FIRST, LAST = "<!-- benchmark {} -->", "<!-- end of {} -->"


def replace(page, name, text):
    """Return a page with the text of a section replaced.

    Raises:
      SystemExit: the page has no markers of this name.
    """
    first, last = FIRST.format(name), LAST.format(name)
    pattern = f"{re.escape(first)}\n.*?{re.escape(last)}"
    if not re.search(pattern, page, re.DOTALL):
        raise SystemExit(f"{PAGE}: has no section {name}; add {first} and {last}")
    section = f"{first}\n{text.strip()}\n{last}"
    return re.sub(pattern, lambda _: section, page, flags=re.DOTALL)


def sections(page):
    """Return the sections of a page, dict name -> text."""
    pattern = FIRST.format(r"(\w+)") + r"\n(.*?)\n" + LAST.format(r"\1")
    return dict(re.findall(pattern, page, re.DOTALL))


class _Tee(io.TextIOBase):
    """Writes to stdout and keeps a copy."""

    def __init__(self):
        self._stdout = sys.stdout
        self.copy = io.StringIO()

    def write(self, text):
        self.copy.write(text)
        return self._stdout.write(text)

    def flush(self):
        self._stdout.flush()


@contextlib.contextmanager
def section(name):
    """Write what the block prints into a section of RESULTS.md too, once the block has ended."""
    tee = _Tee()
    with contextlib.redirect_stdout(tee):
        yield
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replace(page, name, tee.copy.getvalue()), encoding="utf-8")
