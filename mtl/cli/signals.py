"""SIGINT, SIGTERM and SIGHUP: the first asks the command to end in good order, the second ends it within a second, wherever it is.

Python runs its handlers between two of its own instructions: inside session.run, which may take long, none is heard. What the interpreter
does at once is to write the signal's number to a pipe (signal.set_wakeup_fd), and a thread of its own reads it there.
"""

import contextlib
import os
import signal
import threading
import time

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
NUMBERS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
SAME = 0.3  # seconds within which signals are one: `timeout` sends its own twice, to the process and to its group


class Caught:
    """Remember a signal instead of dying of it, in `with`, once armed; called, it returns the signal's number, or 0 where none came."""

    def __enter__(self):
        self._received, self._before, self._armed = 0, {}, False
        if (
            threading.current_thread() is threading.main_thread()
        ):  # Python refuses handlers elsewhere
            for number in heeded():
                self._before[number] = signal.signal(number, self._note)
        return self

    def arm(self):
        """Remember signals from now on: there is something to save. Until then they interrupt at once."""
        self._armed = True

    def __call__(self):
        """Return the number of the signal that came last, 0 for none."""
        return self._received

    def _note(self, number, frame):
        if not self._armed:
            _first(number, frame)
        self._received = number

    def __exit__(self, *unused):
        for number, handler in self._before.items():
            signal.signal(number, handler)


def heeded():
    """List the signals of NUMBERS that this process does not ignore; nohup and `&` in a script set some to be ignored."""
    return [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]


def install(where):
    """Mind the signals of this process from now on; `where` (str) begins the line that a second one is answered with."""
    for number in heeded():
        signal.signal(number, _first)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=[reader, where], name="signals", daemon=True).start()


def _first(number, frame):
    raise KeyboardInterrupt(number)


def _watch(reader, where):
    """End the process at the second signal; nothing of it needs to be put away: files are whole or not there."""
    since = None
    while True:
        for number in os.read(reader, 64):
            now = time.monotonic()
            if number not in NUMBERS:
                continue
            if since is not None and now - since > SAME:
                with contextlib.suppress(OSError):  # nobody reads it
                    os.write(
                        2,
                        f"{where}: ended at once by a second signal; the last checkpoint stands\n".encode(),
                    )
                os._exit(128 + number)
            since = now if since is None else since
