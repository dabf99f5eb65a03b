"""The tests that PROMISES.md names exist."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = pathlib.Path(__file__).with_name("PROMISES.md")
LEAST = 25  # a page in another format would name none


def functions_in(path):
    """Return the names of the functions at the top level of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_names_tests_that_exist():
    rows = re.findall(r"^\| .*::.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = [re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row) for row in rows]
    assert all(named) and sum(map(len, named)) >= LEAST
    missing = []
    for path, name in sorted(set(sum(named, []))):
        if not (ROOT / path).exists() or name not in functions_in(path):
            missing.append(f"{path}::{name}")
    assert missing == []
