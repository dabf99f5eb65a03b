"""mtl.data.drawn.workers: calls answered in other processes, and what happens when one of those is killed or stopped."""

import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from mtl.data.drawn import workers
from mtl.errors import MtlError


def wait_until(condition):
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def kill(number=signal.SIGKILL, which=0):
    """Send a signal to one of the workers of this process."""
    os.kill(multiprocessing.active_children()[which].pid, number)


def test_answers_and_errors_come_back():
    with workers.Workers(3) as pool:
        futures = [pool.submit(divmod, number, 7) for number in range(23)]
        failed = pool.submit(divmod, 1, 0)
        assert [future.result(20) for future in futures] == [
            divmod(number, 7) for number in range(23)
        ]
        with pytest.raises(ZeroDivisionError):
            failed.result(20)
        assert pool.submit(divmod, 9, 2).result(20) == (4, 1), "an error ends no process"
        assert {pool.submit(os.getpid).result(20) for _ in range(9)}.isdisjoint({os.getpid()})
        pool.check()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_killed_within_a_result_is_an_error(count):
    """Most of the time its pipe is full of half a result. ProcessPoolExecutor waits there for ever."""
    with workers.Workers(count) as pool:
        pool.submit(bytes, 1).result(20)
        futures = [pool.submit(bytes, 50_000_000) for _ in range(40)]
        kill()
        with pytest.raises(MtlError, match="was killed.*free memory"):
            for future in futures:
                future.result(20)
        with pytest.raises(MtlError):
            wait_until(pool.check)


def test_a_worker_killed_while_it_has_nothing_to_do_is_noticed():
    with workers.Workers(2) as pool:
        pool.submit(bytes, 1).result(20)
        pool.check()
        kill(which=1)
        with pytest.raises(MtlError):
            wait_until(pool.check)


def test_signals_to_the_group_do_not_end_workers():
    with workers.Workers(1) as pool:
        for moment in ("as it starts", "later"):
            wait_until(multiprocessing.active_children)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                kill(number)
            assert pool.submit(divmod, 9, 2).result(20) == (4, 1), moment
        pool.check()


def test_a_stopped_worker_is_ended_with_the_others():
    pool = workers.Workers(2)
    pool.submit(bytes, 1).result(20)
    kill(signal.SIGSTOP)
    futures = [pool.submit(bytes, 5) for _ in range(9)]
    pool.close()
    assert not multiprocessing.active_children()
    errors = [future.exception(1) for future in futures]
    assert MtlError in map(type, errors) and {*map(type, errors)} <= {MtlError, type(None)}
    pool.close()  # a second time: nothing to do


PARENT = """
import multiprocessing, time
from mtl.data.drawn import workers
if __name__ == "__main__":
    pool = workers.Workers(2)
    pool.submit(bytes, 1).result()
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    ENDING
"""


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="processes are looked for in /proc")
@pytest.mark.parametrize("ending", ["time.sleep(60)", "pass"], ids=["killed", "not closed"])
def test_workers_end_with_their_parent(tmp_path, ending):
    (tmp_path / "parent.py").write_text(PARENT.replace("ENDING", ending))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, tmp_path / "parent.py"]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    pids = parent.stdout.readline().split()
    if ending != "pass":
        parent.kill()
    assert parent.wait(20) == (0 if ending == "pass" else -9) and len(pids) == 2
    # An ended process without a parent stays a zombie if init does not collect it.
    running = [pathlib.Path("/proc", pid, "stat") for pid in pids]
    wait_until(lambda: not any(stat.exists() and " Z " not in stat.read_text() for stat in running))
    parent.stdout.close()
