"""mtl.cli.stderr: what is caught is shown where the block fails or the process dies in it, and at no other time."""

import os
import signal
import subprocess
import sys

import pytest

from mtl.cli import stderr

SCRIPT = """
import os, sys
from mtl.cli import stderr
try:
    with stderr.silent():
        os.write(2, b"fatal: no such flag\\n" * 5000)
        ENDING
except ZeroDivisionError:
    pass
except KeyboardInterrupt:
    pass
print("after the block", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "ending, code, shown",
    [
        ("pass", 0, False),
        ("raise KeyboardInterrupt", 0, False),
        ("1 / 0", 0, True),
        ("os.abort()", -signal.SIGABRT, True),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, True),
        ("os._exit(7)", 7, True),
    ],
)
def test_what_is_caught_is_shown_where_the_process_dies(ending, code, shown):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("ENDING", ending)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    after = "after the block\n" if code == 0 else ""
    assert done.stderr == "fatal: no such flag\n" * 5000 * shown + after


def test_after_an_error_stderr_is_as_before(capfd):
    with pytest.raises(ImportError), stderr.silent():
        os.write(2, b"why it failed\n")
        raise ImportError
    assert capfd.readouterr().err == "why it failed\n"
    os.write(2, b"again\n")
    assert capfd.readouterr().err == "again\n"


@pytest.mark.skipif(
    not os.path.exists(f"/proc/self/task/{os.getpid()}/children"),
    reason="the kernel lists no children",
)
def test_a_signal_to_the_group_does_not_end_the_child_that_waits():
    children = "open(f'/proc/self/task/{os.getpid()}/children').read().split()"
    ending = f"[os.kill(int(pid), 15) for pid in {children}]\n        os.abort()"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("ENDING", ending)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGABRT, "fatal: no such flag\n" * 5000)
