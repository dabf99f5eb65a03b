"""The command line of `python -m tests.browser`; what it checks needs a browser and is not run here."""

import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["nothing"], "no check 'nothing'; there are "),
        (["--out=/dev/null/x", "report_page"], "--out=/dev/null/x: no folder can be made"),
    ],
)
def test_bad_usage_is_one_line(arguments, named):
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"python -m tests.browser: {named}")


@pytest.mark.parametrize("missing", ["playwright", "chromium"])
def test_what_is_missing_is_one_line_with_the_cure(missing, tmp_path):
    # A package that is None cannot be imported; with an empty PATH there is no Chromium.
    block = f"import sys; sys.modules['playwright'] = None if {missing == 'playwright'} else type(sys)('playwright'); "
    block += "api = type(sys)('playwright.sync_api'); api.sync_playwright = None; "
    block += f"sys.modules['playwright.sync_api'] = None if {missing == 'playwright'} else api; "
    code = (
        block
        + f"sys.argv = ['x', {f'--out={tmp_path}'!r}]; from tests.browser.__main__ import main; sys.exit(main())"
    )
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "install " + missing in done.stderr
