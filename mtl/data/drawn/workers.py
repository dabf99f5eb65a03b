"""Worker processes that draw images. A killed worker raises an error at once.

Each worker has its own pipe. The workers of concurrent.futures.ProcessPoolExecutor share one pipe:
if the system kills a worker while it writes a result, the parent hangs.
"""

import atexit
import contextlib
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import connection
from typing import Any

from mtl.errors import MtlError

CURE = "free memory or use fewer workers, then repeat the command"
KILLED = f"a process that draws images was killed, perhaps because memory ran out; {CURE}"
# Not multiprocessing.Process: its fork can hang in a process with TensorFlow's threads, and its
# spawn runs the user's script again, which must then have `if __name__ == "__main__":`.
_PROGRAM = "import sys; sys.path[:] = {}; from mtl.data.drawn import workers; workers.work({})"
_ROOT = str(pathlib.Path(__file__).resolve().parents[3])  # contains the folder mtl
# Workers ignore these signals, which a terminal sends to the whole process group: the parent saves
# the run first, then ends its workers.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Workers:
    """A context manager of worker processes. One thread for each sends it one call at a time."""

    def __init__(self, count: int):
        """Start `count` processes."""
        self._calls = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the two fields below
        self._processes = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name="workers", daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)  # otherwise a busy worker lives until its call ends

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Call a module-level function in one of the processes.

        Returns:
          Future. Its result() raises what the function raises, or MtlError if the process was
          killed.
        """
        future = Future()
        self._calls.put((future, function, arguments))
        return future

    def check(self) -> None:
        """Raise MtlError if a process was killed."""
        if any(process.poll() is not None for process in self._processes):
            raise MtlError(KILLED)

    def close(self) -> None:
        """Kill the processes. Unfinished calls raise MtlError."""
        with self._lock:
            self._closed = True
            for process in self._processes:
                process.kill()
        for _ in self._threads:
            self._calls.put(None)
        for process in self._processes:
            process.wait()
        for thread in self._threads:
            thread.join()
        atexit.unregister(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def _serve(self):
        """Start a process, and send it calls until `close`."""
        try:
            pipe = self._start()
        except OSError as error:  # too many processes or open files
            self._fail(f"a process that draws images cannot start ({error.strerror}); {CURE}")
            return
        while (call := self._calls.get()) is not None:
            future, function, arguments = call
            try:
                pipe.send((function, arguments))
                result, error = pipe.recv()
            except (EOFError, OSError):
                result, error = None, MtlError(KILLED)
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _fail(self, message):
        """Answer calls with an error until `close`."""
        while (call := self._calls.get()) is not None:
            call[0].set_exception(MtlError(message))

    def _start(self):
        """Start a process; return our end of its pipe."""
        if hasattr(signal, "pthread_sigmask"):
            # The process inherits the mask, so no signal can end it while it imports modules.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        ours, its = connection.Pipe()
        with its, self._lock:
            if not self._closed:
                self._processes.append(_process(its.fileno()))
        # Now only the process has `its` open: if it dies, our recv() raises EOFError.
        return ours


def _process(descriptor):
    """Start a process that calls `work` with a file descriptor of this process."""
    folders = [folder for folder in [*sys.path, _ROOT] if isinstance(folder, str)]
    command = [sys.executable, "-c", _PROGRAM.format(folders, descriptor)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[descriptor])


def work(descriptor: int) -> None:
    """Answer the calls of a pipe until the parent closes it or dies. Runs in the worker process."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)  # training has priority
    with connection.Connection(descriptor) as pipe, contextlib.suppress(EOFError, OSError):
        while True:
            function, arguments = pipe.recv()
            try:
                answer = function(*arguments), None
            except Exception as error:
                answer = None, error
            pipe.send(answer)
