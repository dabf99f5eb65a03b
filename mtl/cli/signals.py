"""SIGINT, SIGTERM and SIGHUP: the first stops the command cleanly, the second ends it at once.

Python runs a signal handler only between Python instructions, so a long session.run delays it. But
the interpreter writes the signal's number to a pipe at once (signal.set_wakeup_fd), which a thread
reads.
"""

import contextlib
import os
import signal
import threading
import time

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks SIGHUP
NUMBERS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
SAME = 0.3  # seconds; `timeout` sends its signal twice, to the process and to its group
_AT_SECOND = []  # functions that are called before the second signal ends the process
_ENDING = threading.Lock()  # held from the second signal on


class Caught:
    """Record a signal instead of raising KeyboardInterrupt, in `with`, once armed.

    A call returns the number of the last signal, or 0.
    """

    def __enter__(self):
        self._received = 0
        self._armed = False
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # Python refuses it elsewhere
            for number in heeded():
                self._before[number] = signal.signal(number, self._record)
        return self

    def arm(self):
        """Record signals from now on. Until then, a signal raises KeyboardInterrupt."""
        self._armed = True

    def __call__(self):
        """Return the number of the last signal, or 0."""
        return self._received

    def _record(self, number, frame):
        if not self._armed:
            _interrupt(number, frame)
        self._received = number

    def __exit__(self, *unused):
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def at_second(function):
    """Call a function before the second signal ends the process, in `with`; in another thread.

    The block does not end meanwhile, so that the exit code is that of the signal.
    """
    _AT_SECOND.append(function)
    try:
        yield
    finally:
        with _ENDING:
            _AT_SECOND.remove(function)


def heeded():
    """List the signals of NUMBERS that the process does not ignore; nohup ignores SIGHUP."""
    return [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]


def install(where):
    """Handle the signals of this process from now on.

    Args:
      where: str, the start of the message at the second signal.
    """
    for number in heeded():
        signal.signal(number, _interrupt)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=[reader, where], name="signals", daemon=True).start()


def _interrupt(number, frame):
    raise KeyboardInterrupt(number)


def _watch(reader, where):
    """End the process at the second signal, without cleanup: all files are written atomically."""
    since = None
    while True:
        for number in os.read(reader, 64):
            now = time.monotonic()
            if number not in NUMBERS:
                continue
            if since is not None and now - since > SAME:
                _ENDING.acquire()
                for function in list(_AT_SECOND):
                    with contextlib.suppress(OSError):
                        function()
                line = f"{where}: stopped at once by a second signal; the last checkpoint is kept\n"
                with contextlib.suppress(OSError):  # stderr may be closed
                    os.write(2, line.encode())
                os._exit(128 + number)
            since = now if since is None else since
