"""SIGINT and SIGTERM while there is something to save: remembered, so that the training loop can finish its step."""

import signal
import threading


class Caught:
    """Remember a signal instead of dying of it, in `with`; called, it returns the signal's number, or 0 where none came."""

    def __enter__(self):
        self._received, self._before = 0, {}
        if threading.current_thread() is threading.main_thread():  # Python refuses handlers elsewhere
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __call__(self):
        """Return the number of the signal that came last, 0 for none."""
        return self._received

    def _note(self, number, frame):
        self._received = number

    def __exit__(self, *unused):
        for number, handler in self._before.items():
            signal.signal(number, handler)
