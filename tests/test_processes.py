"""tests.processes: a process and its child."""

import os
import subprocess
import sys

import pytest

from tests import processes

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")
# A process with a child that sleeps, until its stdin ends.
PARENT = """
import subprocess, sys
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""


def test_children_of_a_process_are_measured():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PARENT], text=True, **pipes) as process:
        child = int(process.stdout.readline())
        assert processes.family(process.pid) == [process.pid, child]
        used = processes.used([process.pid, child])
        assert used.memory > 0 and used.open_files >= 6 and used.threads == 2
        process.stdin.close()
    assert processes.used([process.pid]) == (0, 0, 0, 0.0)
    assert processes.peak_memory(process.pid) == 0.0
