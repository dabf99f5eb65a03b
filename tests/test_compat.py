"""Run the code of each row of compat.md, and compare the table for readers with these rows.

`python -m tests.test_compat`, in the root of the repository, prints that table.
"""

import pathlib
import re
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "compat.md"
SHOWN = ROOT / "mtl" / "lessons" / "TRANSLATION.md"
HEADING = "## What works in compat.v1"

SECTION = re.compile(
    r"^### (?P<names>.+)\n\n"
    r"(?P<test>[^`]+?)\n\n"
    r"(Note: (?P<note>[^`]+?)\n\n)?"
    r"```python\n(?P<code>[^`]+)```$",
    re.MULTILINE,
)
GONE = re.compile(r"^\| `(?P<code>.+?)` \| (?P<error>\w+: .+) \|$", re.MULTILINE)


class Row(NamedTuple):
    """One row of the table."""

    names: str
    test: str
    note: str
    code: str
    line: int  # lines of compat.md above the code
    error: str  # "Type: message", or "" where the code works


# -- functions for the code of compat.md -----------------------------------------------------------


def run(fetches, feed=None):
    """Return the values of fetches in a new session, all variables and tables initialised."""
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run([tf.local_variables_initializer(), tf.tables_initializer()])
        return session.run(fetches, feed)


def scalar(start=0.0, name="w", **options):
    """Create a scalar variable."""
    return tf.get_variable(name, [], tf.float32, tf.constant_initializer(start), **options)


def minimise(optimizer, steps=300):
    """Return w after steps of an optimiser that minimises (w - 3)^2 from w = 0."""
    w = scalar()
    step = optimizer.minimize(tf.square(w - 3.0))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(step)
        return session.run(w)


def save(folder):
    """Create a variable w = 5 and save it; return the path of the checkpoint."""
    w = scalar()
    with tf.Session() as session:
        session.run(w.assign(5.0))
        return tf.train.Saver().save(session, str(folder / "model.ckpt"), global_step=7)


SCOPE = {
    "tf": tf,
    "np": np,
    "raises": pytest.raises,
    "approx": pytest.approx,
    "run": run,
    "scalar": scalar,
    "minimise": minimise,
    "save": save,
}


# -- the table -------------------------------------------------------------------------------------


def read_rows():
    """Return the rows of compat.md."""
    text = DATA.read_text(encoding="utf-8")
    rows = []
    for match in SECTION.finditer(text):
        test, note = (" ".join((match[part] or "").split()) for part in ("test", "note"))
        line = text[: match.start("code")].count("\n")
        rows.append(Row(match["names"], test, note, match["code"], line, ""))
    for match in GONE.finditer(text):
        name = match["code"].partition("(")[0].removeprefix("tf.")
        test = "Call it." if "(" in match["code"] else "Look it up."
        line = text[: match.start()].count("\n")
        rows.append(Row(name, test, "", match["code"], line, match["error"]))
    return rows


def table():
    """Return the lines of the table for readers."""
    lines = ["| Names in `tf` | Test | Result |", "|---|---|---|"]
    for row in read_rows():
        result = f"gone: {row.error}" if row.error else "works"
        if row.note:
            result += f"; {row.note}"
        lines.append(f"| {row.names} | {row.test} | {result.removesuffix('.')} |")
    return lines


# -- tests -----------------------------------------------------------------------------------------


def execute(row, folder):
    """Execute the code of a row in a new graph."""
    # Line numbers of a traceback are then those of compat.md.
    program = compile("\n" * row.line + row.code, str(DATA), "exec")
    with tf.Graph().as_default():
        exec(program, {**SCOPE, "folder": folder})


@pytest.mark.parametrize("row", read_rows(), ids=lambda row: row.names.split(",")[0])
def test_row_works_or_fails_as_stated(row, tmp_path):
    if not row.error:
        execute(row, tmp_path)
        return
    with pytest.raises(Exception) as caught:
        execute(row, tmp_path)
    error = f"{type(caught.value).__name__}: {caught.value}"
    assert re.fullmatch(re.escape(row.error).replace(r"\.\.\.", ".*"), error)


def test_every_section_of_the_data_is_a_row():
    text = DATA.read_text(encoding="utf-8")
    sections = re.findall(r"^### ", text, re.MULTILINE)
    expressions = re.findall(r"^\| `", text, re.MULTILINE)
    assert len(read_rows()) == len(sections) + len(expressions)


def test_table_for_readers_is_the_data():
    section = SHOWN.read_text(encoding="utf-8").split(HEADING + "\n")[1].split("\n#")[0]
    shown = [line for line in section.splitlines() if line.startswith("|")]
    assert shown == table(), "print it again: python -m tests.test_compat"


if __name__ == "__main__":
    print("\n".join(table()))
