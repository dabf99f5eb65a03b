"""The processes of a cluster on this machine: how they start, fail, and end. No TensorFlow.

The chief is worker 0. It decides when the run ends: the others learn it from the board. Only a
process that does not end by itself gets a signal.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mtl.cluster import spec
from mtl.cluster.lost import Lost
from mtl.cluster.output import Output, Show
from mtl.errors import MtlError
from mtl.runs import child

PROGRAM = child.PROGRAM  # tests replace it
HOST = "127.0.0.1"
POLL = 0.1  # seconds between two looks at the processes
SAVE = 60.0  # seconds that the chief has to save after another process failed
GRACE = 10.0  # seconds after the end of the chief until the others get SIGTERM
KILL = 5.0  # seconds from SIGTERM to SIGKILL


class Job(NamedTuple):
    """A process to run."""

    name: str  # the prefix of its lines
    flags: Sequence[str]  # of `mtl train`: its place in the cluster


class Failed(MtlError):
    """A process of the cluster has failed; the exit code is its own."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.exit_code = code


@contextlib.contextmanager
def free_ports(count: int):
    """Choose free ports of HOST, in `with`; yield a list of int.

    On Linux nothing else gets them: a socket that has an address but does not listen reserves it,
    and a server may still use it.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((HOST, 0))
        ports = [each.getsockname()[1] for each in sockets]
        if sys.platform != "linux":
            stack.close()
        yield ports


def jobs(workers: int, servers: int, ports: Sequence[int], evaluator: bool = False) -> list[Job]:
    """Return the processes of a cluster, the chief first.

    Args:
      workers: processes that compute, the chief included.
      servers: parameter servers.
      ports: one for each of both.
      evaluator: whether a process of its own evaluates.
    """
    addresses = [f"{HOST}:{port}" for port in ports]
    hosts = {spec.WORKER: addresses[:workers], spec.PS: addresses[workers:]}
    places = [(spec.WORKER, index) for index in range(workers)]
    places += [(spec.PS, index) for index in range(servers)]
    places += [(spec.EVALUATOR, 0)] if evaluator else []
    common = [f"{spec.FLAGS[job]}={','.join(each)}" for job, each in hosts.items()]
    common += ["--separate_evaluator"] if evaluator else []
    found = []
    for job, index in places:
        name = spec.CHIEF if (job, index) == (spec.WORKER, 0) else f"{job} {index}"
        name = spec.EVALUATOR if job == spec.EVALUATOR else name
        place = [f"{spec.FLAGS['job']}={job}", f"{spec.FLAGS['index']}={index}"]
        found.append(Job(name, [*place, *common]))
    return found


class Launched:
    """The processes of a cluster."""

    def __init__(self, jobs: Sequence[Job], arguments: Sequence[str], show: Show, columns=None):
        """Store the settings. Starts nothing.

        Args:
          jobs: of `jobs`, the chief first.
          arguments: of `mtl train`, for all processes.
          show: output.Show.
          columns: int, of the terminal; None without a terminal.
        """
        self._jobs, self._arguments = jobs, arguments
        self._output = Output(show, [job.name for job in jobs], columns)
        self._started = []
        self._failures = []  # (name, exit code) of the processes that failed by themselves
        self._signum = 0  # of the signal that this process received
        self._asked = None  # when the chief was asked to end
        self._over = None  # when the chief had ended
        self._sent = 0  # signals that the others got: SIGTERM, SIGKILL

    def run(self, stop: Callable[[], int]) -> int:
        """Run the processes to their end; return the exit code of the chief.

        Args:
          stop: function () -> the number of a received signal, or 0. The chief gets it, so that it
            saves and ends.

        Raises:
          Failed: a process failed.
        """
        try:
            for job in self._jobs:
                self._started.append(self._start(job))
            while any(process.is_running for process in self._started):
                self._output.copy(POLL)
                self._look(stop(), time.monotonic())
            while self._output.copy(0):
                pass
        finally:
            self.kill()
            self._output.close()
        self._raise_failure()
        return self._started[0].code

    def kill(self) -> None:
        """Kill all processes, with those that they have started. May be called in any thread."""
        for process in self._started:
            process.kill()

    def _start(self, job):
        """Start a process."""
        chief = job is self._jobs[0]
        err = self._output.terminal(job.name) if chief else self._output.pipe(job.name)
        out = self._output.result() if chief else os.dup(err)
        try:
            return _Process(job.name, ["train", *job.flags, *self._arguments], out, err)
        finally:
            os.close(out)
            os.close(err)

    def _look(self, signum, now):
        """Note which processes have ended, and end others when it is time.

        Args:
          signum: a received signal, or 0.
          now: seconds.
        """
        chief = self._started[0]
        for process in self._started:
            failed = process.has_just_ended() and process.code and not process.was_sent
            if failed and not self._signum:
                self._failures.append((process.name, process.code))
        if signum and not self._signum:
            self._signum = signum
            if self._over is not None:
                self._over = min(self._over, now - GRACE)  # the others have nothing to save
        asked = signum or (signal.SIGTERM if self._failures else 0)
        if asked and self._asked is None:
            self._asked = now
            chief.send(asked)
        if self._over is None:
            lost = self._failures and now > self._asked + SAVE
            self._over = now if lost or not chief.is_running else None
        if self._over is not None:
            self._end_others(now - self._over)

    def _end_others(self, seconds):
        """Send signals to the processes that still run, some seconds after the end of the chief."""
        steps = [(GRACE, _Process.terminate), (GRACE + KILL, _Process.kill)]
        for due, send in steps[self._sent :]:
            if seconds >= due:
                self._sent += 1
                for process in self._started:
                    send(process)

    def _raise_failure(self):
        """Raise Failed if a process failed; it names the first that was not a consequence."""
        if not self._failures:
            return
        causes = [each for each in self._failures if each[1] != Lost.RETRY]
        name, code = (causes or self._failures)[0]
        error = child.last_error(self._output.last[name], code).removeprefix("mtl train: ")
        raise Failed(f"{name}: {error or 'it wrote no error'} (exit code {code})", code)


class _Process:
    """A process of the cluster."""

    def __init__(self, name, arguments, out, err):
        """Start it; out, err: descriptors for its output."""
        self.name, self.code = name, None
        self.was_sent = False  # a signal
        self._process = child.start([*PROGRAM, *arguments], out, err)

    @property
    def is_running(self):
        """Return whether it had not ended when it was last looked at."""
        return self.code is None

    def has_just_ended(self):
        """Return whether it has ended since the last call."""
        if not self.is_running or self._process.poll() is None:
            return False
        code = self._process.returncode
        self.code = 128 - code if code < 0 else code
        self._kill_group()  # processes that it has left behind
        return True

    def send(self, signum):
        """Send a signal, if it runs."""
        if self.is_running:
            self.was_sent = True
            self._process.send_signal(signum)

    def terminate(self):
        """Send SIGTERM, if it runs."""
        self.send(signal.SIGTERM)

    def kill(self):
        """Kill it, with the processes that it has started, if it runs."""
        if self.is_running:
            self.was_sent = True
            self._kill_group()
            self._process.wait()

    def _kill_group(self):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a zombie
            os.killpg(self._process.pid, signal.SIGKILL)
