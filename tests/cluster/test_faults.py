"""Members that are killed, stopped or wrong, in real processes.

This is a part of every_fault.py, which has all of them.
"""

import signal

import pytest

from tests.cluster import processes
from tests.run_directories import metrics_of

pytestmark = pytest.mark.slow


def test_members_that_hang_or_are_killed_return_and_only_steps_since_the_save_are_lost(
    members, whole
):
    run = members(processes.STEPS, "--recovery_timeout=60", quick=True)
    run.start_all(wait=1.0)
    run.wait_for("worker 0", "step 40: ")
    run.send("worker 1", signal.SIGSTOP)
    run.wait_for("worker 0", f"waiting for {run.names['worker 1']}, which has not answered")
    run.send("worker 1", signal.SIGCONT)
    run.wait_for("worker 0", "step 80: ")
    for name, other, restarts in (
        ("worker 1", "worker 0", 1),
        ("worker 0", "ps 0", 1),
        ("ps 0", "worker 0", 2),  # of the second chief
    ):
        run.kill(name)
        run.wait_for(other, f"{run.names[name]} has ended; waiting up to 60 s for it")
        run.start(name, wait=1.0)
        run.wait_for("worker 0", "continuing from step ", restarts)
    processes.assert_finished(run)
    processes.assert_close(metrics_of(run.run), whole)


def test_a_killed_ps_ends_the_others_with_a_line_that_names_it(members):
    run = members(processes.LONG, quick=True)
    run.start_all()
    run.wait_for("worker 0", "step 40: ")
    run.kill("ps 0")
    processes.assert_lost(run, "ps 0", "has ended")
