"""The processes of a comparison: each run is a process, several at a time.

A run NAME has its run directory NAME, the output of its process NAME.log, and NAME.json, which
says how the process ended. A run whose process ended well is not started again.
"""

import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mtl.errors import DataError, UsageError
from mtl.lab import lock
from mtl.runs import child, files

PROGRAM = child.PROGRAM  # tests replace it
PROMPT = "$ mtl "  # the start of the line of a log that has the command
POLL = 0.1  # seconds between two looks at the processes
# Exit codes of wrong flags or data, with the error that ends the comparison; see `run`.
MISTAKES = {UsageError.exit_code: UsageError, DataError.exit_code: DataError}
NOT_FINITE = 3  # the exit code of a run that diverged: repeating it gives the same result
TAIL = 1 << 16  # bytes of a log that are read for its last lines


class Job(NamedTuple):
    """A process to run."""

    name: str  # of the run; also of its log and its record
    arguments: Sequence[str]  # of mtl, the command first
    locks: str = ""  # a lock file that the process will hold


class Ended(NamedTuple):
    """How a process ended, from its record."""

    code: int  # the exit code; 128 + signal for a process that a signal killed
    error: str  # its last error line; "" if it succeeded
    seconds: float  # of all processes of this run
    memory: float | None  # the most resident MB of one of them
    beside: int  # the most processes at a time

    @property
    def is_final(self) -> bool:
        """Whether another process would give the same result."""
        return self.code in (0, NOT_FINITE)


class Events(NamedTuple):
    """Functions that `run` calls."""

    ended: Callable[[Job, Ended], None]
    waiting: Callable[[list[tuple[Job, float]], int], None]  # running with their seconds, to come
    stop: Callable[[], int]  # the number of a received signal, or 0


def record_of(folder: str, name: str) -> Ended | None:
    """Return how the last process of a run ended; None if it has no valid record."""
    try:
        with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
            return Ended(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def log_of(folder: str, name: str) -> str:
    """Return the path of the output of a run."""
    return os.path.join(folder, f"{name}.log")


def run(
    folder: str, jobs: Sequence[Job], parallel: int, events: Events, careful: bool = False
) -> int:
    """Run the jobs that have no final record, `parallel` at a time.

    A job whose lock another process holds, such as a run of a comparison that was killed, waits.

    Args:
      folder: of the logs and the records.
      jobs: in the order to start them.
      parallel: the most processes at a time.
      events: Events. After a signal, the processes get the same signal, so that they save and end.
      careful: whether a wrong flag or bad data in the first job that ends stops the others, which
        would usually fail in the same way. It does not if an earlier call finished a job.

    Returns:
      the number of the signal that stopped it, or 0.

    Raises:
      UsageError, DataError: the error of the first job.
    """
    to_come = [job for job in jobs if not _is_done(folder, job)]
    careful = careful and len(to_come) == len(jobs)
    running = []
    signum = signal.SIGTERM  # if this process fails
    try:
        while to_come or running:
            received = events.stop()
            if received:
                signum = received
                return signum
            running += _started(folder, to_come, parallel, len(running))
            ended = [process for process in running if process.poll()]
            for process in ended:
                running.remove(process)
                if careful and process.ended.code in MISTAKES:
                    raise _mistake(process.ended)
                careful = False
                events.ended(process.job, process.ended)
            if not ended:
                now = time.monotonic()
                events.waiting([(each.job, now - each.began) for each in running], len(to_come))
                time.sleep(POLL)
    finally:
        _stop(running, signum)
    return 0


def _started(folder, to_come, parallel, count):
    """Start jobs to come, if fewer than `parallel` of them run, and remove them from the list."""
    started = []
    for job in list(to_come):
        if count + len(started) >= parallel:
            break
        if not lock.is_held(job.locks):
            to_come.remove(job)
            started.append(_Process(folder, job, parallel))
    return started


def _mistake(ended):
    """Return the error that ends the comparison; see `run`."""
    reason = ended.error.removeprefix("mtl train: ")
    return MISTAKES[ended.code](f"the first run failed, so the others are not trained: {reason}")


def _is_done(folder, job):
    """Return whether a job has a final record, and the run directory that belongs to it."""
    record = record_of(folder, job.name)
    if record is None or not record.is_final:
        return False
    return record.code != 0 or os.path.isdir(os.path.dirname(job.locks) or folder)


def _stop(running, signum):
    """Send a signal to processes, and wait until they have saved and ended."""
    for process in running:
        process.send(signum)
    while running:
        running = [process for process in running if not process.poll()]
        time.sleep(POLL)


class _Process:
    """A process of a job."""

    def __init__(self, folder, job, parallel):
        """Start it. Its output is appended to the log."""
        self.job, self.began, self.ended = job, time.monotonic(), None
        self._parallel = parallel
        self._folder = folder
        with open(log_of(folder, job.name), "a", encoding="utf-8") as log:
            log.write(f"{PROMPT}{shlex.join(job.arguments)}\n")
            log.flush()
            self._process = child.start([*PROGRAM, *job.arguments], log, log)

    def send(self, signum):
        """Send a signal to the process; it may have ended."""
        # Not Popen.send_signal: it may wait for the process, and then wait4 finds none.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signum)

    def poll(self):
        """Return whether the process has ended; write its record when it has."""
        code, memory = _waited(self._process)
        if code is None:
            return False
        before = record_of(self._folder, self.job.name) or Ended(0, "", 0.0, None, 1)
        seconds = time.monotonic() - self.began + before.seconds
        memory = max(filter(None, [memory, before.memory]), default=None)
        code = 128 - code if code < 0 else code
        lines = tail(log_of(self._folder, self.job.name)).splitlines()
        error = "" if code == 0 else child.last_error(lines, code)
        beside = max(self._parallel, before.beside)
        self.ended = Ended(code, error, round(seconds, 3), memory, beside)
        path = os.path.join(self._folder, f"{self.job.name}.json")
        write_json(path, self.ended._asdict())
        return True


def write_json(path: str, value: Any) -> None:
    """Write a value as JSON, atomically."""
    with files.whole(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def _waited(process):
    """Return the exit code of a process, None while it runs, and its peak resident MB."""
    if not hasattr(os, "wait4"):  # Windows
        return process.poll(), None
    pid, status, used = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None, None
    process.returncode = os.waitstatus_to_exitcode(status)  # else Popen would wait for it too
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return process.returncode, round(used.ru_maxrss / unit, 1)


def tail(path: str) -> str:
    """Return the end of a log, at most TAIL bytes, as text; "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
