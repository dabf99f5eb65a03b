"""Hidden stderr is shown if the block fails or the process dies in it, and otherwise never."""

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
HIDDEN = "fatal: no such flag\n" * 5000
AFTER = "after the block\n"


def ended(ending):
    """Run SCRIPT with an ending of its block."""
    command = [sys.executable, "-c", SCRIPT.replace("ENDING", ending)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "ending, code, shown",
    [
        ("pass", 0, AFTER),
        ("raise KeyboardInterrupt", 0, AFTER),
        ("1 / 0", 0, HIDDEN + AFTER),
        ("os.abort()", -signal.SIGABRT, HIDDEN),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, HIDDEN),
        ("os._exit(7)", 7, HIDDEN),
    ],
)
def test_hidden_text_is_shown_if_the_block_fails_or_the_process_dies(ending, code, shown):
    done = ended(ending)
    assert (done.returncode, done.stderr) == (code, shown)


def test_stderr_is_restored_after_an_error(capfd):
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
def test_waiting_child_survives_a_signal_to_the_group():
    children = "open(f'/proc/self/task/{os.getpid()}/children').read().split()"
    done = ended(f"[os.kill(int(pid), 15) for pid in {children}]\n        os.abort()")
    assert (done.returncode, done.stderr) == (-signal.SIGABRT, HIDDEN)
