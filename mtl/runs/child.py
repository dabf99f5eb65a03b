"""Processes of `mtl` that another command starts, and that end when it is killed.

`python -m mtl.runs.child MODULE ARGS` runs a module. On Linux the kernel sends SIGTERM to this
process when its parent dies, so that a run saves and ends. Elsewhere it goes on to its end.
"""

import ctypes
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence

PROGRAM = (sys.executable, "-m", "mtl.runs.child", "mtl")
# It describes the place of this process in a cluster, which is not that of a child.
DROPPED = "TF_CONFIG"
_PR_SET_PDEATHSIG = 1


def main(arguments):
    """Run a module as __main__; arguments: list of str, the module first."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before
            sys.exit(128 + signal.SIGTERM)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def start(command: Sequence[str], stdout, stderr) -> subprocess.Popen:
    """Start a process; stdout, stderr: as subprocess.Popen takes them.

    In a session of its own, a Ctrl-C of the terminal reaches only this process, which passes it on
    once. A second signal would end a run without saving.
    """
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    environment.pop(DROPPED, None)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
    )


def last_error(lines: Iterable[str], code: int) -> str:
    """Return why a process failed: the last error line of `mtl` in its output, or its last line.

    Args:
      lines: its output, or the end of it.
      code: its exit code; 128 + signal for a process that a signal killed.
    """
    lines = [line.strip() for line in lines if line.strip()]
    errors = [line for line in lines if line.startswith("mtl ")]
    found = (errors or lines or [""])[-1]
    killed = f"killed by signal {code - 128}" if code > 128 and not errors else ""
    return "; ".join(filter(None, [killed, found]))[:500]


if __name__ == "__main__":
    main(sys.argv[1:])
