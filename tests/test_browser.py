"""The command line of `python -m tests.browser`. The checks themselves need a browser."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A module that is None cannot be imported. With an empty PATH there is no Chromium.
WITHOUT = {
    "playwright": "import sys; sys.modules['playwright'] = None",
    "chromium": "\n".join(
        [
            "import sys, types",
            "api = types.ModuleType('playwright.sync_api')",
            "api.sync_playwright = None",
            "sys.modules['playwright'] = types.ModuleType('playwright')",
            "sys.modules['playwright.sync_api'] = api",
        ]
    ),
}


def refused(*arguments, **environment):
    """Run Python, check that it exits with 1, and return the only line that it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nothing"], "unknown check 'nothing'; choose from "),
        (["--out=/dev/null/x", "report_page"], "--out=/dev/null/x: cannot create this folder"),
    ],
)
def test_bad_usage_is_one_line(arguments, message):
    line = refused("-m", "tests.browser", *arguments)
    assert line.startswith(f"python -m tests.browser: {message}")


@pytest.mark.parametrize("missing", WITHOUT)
def test_a_missing_program_is_one_line_with_the_cure(missing, tmp_path):
    start = "from tests.browser.__main__ import main; sys.exit(main())"
    code = f"{WITHOUT[missing]}\nsys.argv = ['x', '--out={tmp_path}']\n{start}"
    assert f"install {missing}" in refused("-c", code, PATH=str(tmp_path))
