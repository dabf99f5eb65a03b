"""Processes that draw images, each on its own pipe, so that the death of one is noticed at once.

concurrent.futures.ProcessPoolExecutor is not enough here. Its workers share one pipe for their
results: when the system kills one in the middle of a result, the parent waits for the rest for ever.
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
    "a process that draws images was killed, as the system does when memory runs out; "
    "free memory or use fewer workers, then repeat the command"
)
# A child forked from a process with TensorFlow's threads can hang; a spawned one has no TensorFlow.
_CONTEXT = multiprocessing.get_context("spawn")
# They reach a whole process group. The command saves first and then ends its workers itself.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Workers:
    """A fixed number of processes, each with a thread that hands it one call at a time, in `with`."""

    def __init__(self, count: int):
        """Start `count` processes."""
        resource_tracker.ensure_running()  # here, because it would unblock signals in `_start`
        self._calls, self._lock = queue.SimpleQueue(), threading.Lock()
        self._processes, self._closed = [], False
        self._threads = [
            threading.Thread(target=self._serve, name="workers", daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()
        # At exit multiprocessing joins its processes, and these heed no signal but SIGKILL.
        atexit.register(self.close)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Call a function of a module in one of the processes.

        Returns:
          Future of its result. It raises what the function raises, and MtlError if its process
          was killed.
        """
        future = Future()
        self._calls.put((future, function, arguments))
        return future

    def check(self) -> None:
        """Raise MtlError where one of the processes was killed."""
        if not all(process.is_alive() for process in self._processes):
            raise MtlError(KILLED)

    def close(self) -> None:
        """Kill the processes; a call that is not done raises MtlError."""
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
        """Start a process and hand it calls until the workers are closed."""
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
            # The process inherits the mask, so that no signal meets it while it still imports.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        ours, its = _CONTEXT.Pipe()
        with self._lock:
            if not self._closed:
                process = _CONTEXT.Process(target=_work, args=[its], daemon=True)
                process.start()
                self._processes.append(process)
        its.close()  # from here on only the process holds it: when that dies, our end is told
        return ours


def _work(pipe):
    """Answer calls until the other end of the pipe is gone, as after a SIGKILL of the command."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)  # the network goes first: workers only keep the pool filled
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, arguments = pipe.recv()
            try:
                answer = function(*arguments), None
            except Exception as error:
                answer = None, error
            pipe.send(answer)
