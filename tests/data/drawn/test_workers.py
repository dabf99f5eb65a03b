"""Calls in worker processes, and what happens if one is killed or stopped."""

import errno
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
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def alive(pool):
    """List the processes of a pool that run."""
    return [process for process in pool._processes if process.poll() is None]


def kill(pool, number=signal.SIGKILL, which=0):
    """Send a signal to one of the processes of a pool."""
    os.kill(alive(pool)[which].pid, number)


def test_results_and_errors_are_returned():
    with workers.Workers(3) as pool:
        futures = [pool.submit(divmod, number, 7) for number in range(23)]
        failed = pool.submit(divmod, 1, 0)
        results = [future.result(20) for future in futures]
        assert results == [divmod(number, 7) for number in range(23)]
        with pytest.raises(ZeroDivisionError):
            failed.result(20)
        assert pool.submit(divmod, 9, 2).result(20) == (4, 1), "an error ended a process"
        assert os.getpid() not in {pool.submit(os.getpid).result(20) for _ in range(9)}
        pool.check()
    assert not alive(pool)


@pytest.mark.parametrize("count", [1, 2])
def test_worker_killed_while_it_sends_a_result_is_an_error(count):
    # The pipe is nearly always full of half a result. ProcessPoolExecutor would hang.
    with workers.Workers(count) as pool:
        pool.submit(bytes, 1).result(20)
        futures = [pool.submit(bytes, 50_000_000) for _ in range(40)]
        kill(pool)
        with pytest.raises(MtlError, match="was killed.*free memory"):
            for future in futures:
                future.result(20)
        with pytest.raises(MtlError):
            wait_until(pool.check)


def test_idle_worker_killed_is_an_error():
    with workers.Workers(2) as pool:
        pool.submit(bytes, 1).result(20)
        pool.check()
        kill(pool, which=1)
        with pytest.raises(MtlError):
            wait_until(pool.check)


def test_workers_ignore_signals_to_the_process_group():
    with workers.Workers(1) as pool:
        for moment in ("starting", "running"):
            wait_until(lambda: alive(pool))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                kill(pool, number)
            assert pool.submit(divmod, 9, 2).result(20) == (4, 1), moment
        pool.check()


def test_close_ends_a_stopped_worker():
    pool = workers.Workers(2)
    pool.submit(bytes, 1).result(20)
    kill(pool, signal.SIGSTOP)
    futures = [pool.submit(bytes, 5) for _ in range(9)]
    pool.close()
    assert not alive(pool)
    kinds = {type(future.exception(1)) for future in futures}
    assert MtlError in kinds
    assert kinds <= {MtlError, type(None)}
    pool.close()  # does nothing the second time


@pytest.mark.parametrize("name", ["Popen", "Pipe"])
def test_process_that_cannot_start_is_an_error(monkeypatch, name):
    def refuse(*unused, **options):
        raise OSError(errno.EAGAIN, "try again")

    module = workers.subprocess if name == "Popen" else workers.connection
    monkeypatch.setattr(module, name, refuse)
    with workers.Workers(2) as pool:
        future = pool.submit(bytes, 1)
        with pytest.raises(MtlError, match=r"cannot start \(try again\); free memory or use fewer"):
            future.result(20)


PARENT = """
import time
from mtl.data.drawn import workers
pool = workers.Workers(2)
pool.submit(bytes, 1).result()
while len(pool._processes) < 2:
    time.sleep(0.01)
print(*(process.pid for process in pool._processes), flush=True)
ENDING
"""


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("ending", ["time.sleep(60)", "pass"], ids=["killed", "not closed"])
def test_workers_end_with_their_parent(tmp_path, ending):
    (tmp_path / "parent.py").write_text(PARENT.replace("ENDING", ending))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, tmp_path / "parent.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        pids = parent.stdout.readline().split()
        if ending != "pass":
            parent.kill()
        assert parent.wait(20) == (0 if ending == "pass" else -9)
    assert len(pids) == 2
    # Without a parent, an ended process stays a zombie if init does not collect it.
    stats = [pathlib.Path("/proc", pid, "stat") for pid in pids]
    wait_until(lambda: not any(stat.exists() and " Z " not in stat.read_text() for stat in stats))
