"""Worker processes that draw images. A killed worker raises an error at once.

Each worker has its own pipe. The workers of concurrent.futures.ProcessPoolExecutor share one pipe:
if the system kills a worker while it writes a result, the parent hangs.
"""

import atexit
import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import Any

from mtl.errors import MtlError

KILLED = (
    "a process that draws images was killed, perhaps because memory ran out; "
    "free memory or use fewer workers, then repeat the command"
)
# Not fork: a child of a process with TensorFlow's threads can hang.
_CONTEXT = multiprocessing.get_context("spawn")
# Workers ignore these signals, which a terminal sends to the whole process group: the parent saves
# the run first, then ends its workers.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Workers:
    """A context manager of worker processes. One thread for each sends it one call at a time."""

    def __init__(self, count: int):
        """Start `count` processes."""
        resource_tracker.ensure_running()  # started later, it would unblock signals in `_start`
        self._calls = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the two fields below
        self._processes = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name="workers", daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()
        # At exit multiprocessing sends SIGTERM and joins, which would hang: workers ignore SIGTERM.
        atexit.register(self.close)

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
        if not all(process.is_alive() for process in self._processes):
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
            process.join()
        for thread in self._threads:
            thread.join()
        atexit.unregister(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def _serve(self):
        """Start a process, and send it calls until `close`."""
        pipe = self._start()
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

    def _start(self):
        """Start a process; return our end of its pipe."""
        if hasattr(signal, "pthread_sigmask"):
            # The process inherits the mask, so no signal can end it while it imports modules.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        ours, its = _CONTEXT.Pipe()
        with self._lock:
            if not self._closed:
                process = _CONTEXT.Process(target=_work, args=[its], daemon=True)
                process.start()
                self._processes.append(process)
        its.close()  # now only the process has it open: if it dies, our recv() raises EOFError
        return ours


def _work(pipe):
    """Answer calls until the parent closes the pipe or dies."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)  # training has priority
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, arguments = pipe.recv()
            try:
                answer = function(*arguments), None
            except Exception as error:
                answer = None, error
            pipe.send(answer)
