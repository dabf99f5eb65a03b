"""What the processes of a cluster on this machine write: their lines, and a progress line."""

import collections
import os
import re
import selectors
import struct
from collections.abc import Callable
from typing import NamedTuple, Optional

KEPT = 50  # last lines of a process, to say why it failed
BLOCK = 1 << 16  # bytes of one read
# A line of monitor.progress that the next one replaces.
_PROGRESS = re.compile(r"step \d+/\d+  ")
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal, such as colours


class Show(NamedTuple):
    """Functions (str) that write."""

    line: Callable[[str], None]  # a line of a process, with its name
    result: Callable[[str], None]  # a line of the result of the chief
    status: Optional[Callable[[str], None]] = None  # replaces the status line of a terminal


class Output:
    """Reads the processes, and shows their lines as they end."""

    def __init__(self, show: Show, names, columns: Optional[int] = None):
        """Create it.

        Args:
          show: Show.
          names: of all processes; the longest decides the width of the prefixes.
          columns: of the terminal that shows the status line; None without a terminal.
        """
        self._show, self._columns = show, columns
        self._width = max(map(len, names))
        self._selector = selectors.DefaultSelector()
        self._progress = ""  # the last progress line
        self._status = ""  # the status line as it is shown
        self.last = {name: collections.deque(maxlen=KEPT) for name in names}

    def pipe(self, name: str) -> int:
        """Return a new descriptor; what is written to it is shown as lines of a process."""
        return self._add(*os.pipe(), _Stream(lambda line: self._line(name, line)))

    def result(self) -> int:
        """Return a new descriptor; what is written to it is shown as the result."""
        return self._add(*os.pipe(), _Stream(self._show.result))

    def terminal(self, name: str) -> int:
        """Return a descriptor as `pipe` does; a terminal if there is one, so that it gets progress.

        Progress lines and bars become the status line.
        """
        if self._columns is None:
            return self.pipe(name)
        import fcntl
        import pty  # Windows lacks them
        import termios

        reader, writer = pty.openpty()
        columns = max(20, self._columns - len(self._prefix(name)))
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        stream = _Stream(
            lambda line: self._terminal_line(name, line),
            lambda text: self._bar(name, text),
        )
        return self._add(reader, writer, stream)

    def copy(self, seconds: float) -> bool:
        """Show what the processes have written; return whether there was anything.

        Args:
          seconds: how long to wait for the first bytes.
        """
        ready = self._selector.select(seconds)
        for key, _ in ready:
            try:
                block = os.read(key.fd, BLOCK)
            except OSError:  # EIO: all writers of a terminal are closed
                block = b""
            key.data.add(block)
            if not block:
                self._selector.unregister(key.fd)
                os.close(key.fd)
        return bool(ready)

    def close(self) -> None:
        """Close all descriptors for reading."""
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()

    def _add(self, reader, writer, stream):
        self._selector.register(reader, selectors.EVENT_READ, stream)
        return writer

    def _prefix(self, name):
        return f"{name:<{self._width}} | "

    def _line(self, name, line):
        """Show a line of a process above the status line."""
        self.last[name].append(line)
        self._show.line(self._prefix(name) + line)
        if self._status:
            self._show.status(self._status)

    def _terminal_line(self, name, line):
        """Show a line that a process has written to its terminal."""
        line = _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2])
        if _PROGRESS.match(line):
            self._progress = self._prefix(name) + line
            self._set_status(self._progress)
        else:
            self._line(name, line)

    def _bar(self, name, text):
        """Show a progress bar, which is a line that begins again and again; see console.bar."""
        if "\r" in text:
            bar = _CONTROL.sub("", text.rstrip("\r").rpartition("\r")[2])
            self._set_status(self._prefix(name) + bar if bar.strip() else self._progress)

    def _set_status(self, text):
        self._status = text
        self._show.status(text)


class _Stream:
    """Splits what a process writes into lines."""

    def __init__(self, line, unfinished=None):
        """Store the functions that get a line, and the text of a line that has not ended."""
        self._line, self._unfinished = line, unfinished
        self._rest = b""

    def add(self, block):
        """Add bytes; none is the end."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        if self._rest and not block:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._line(_text(line))
        if self._rest and self._unfinished:
            self._unfinished(_text(self._rest))
            # A bar is written again and again; a final \r may belong to the end of a line.
            self._rest = self._rest[max(0, self._rest.rfind(b"\r", 0, -1)) :]


def _text(line):
    return line.decode("utf-8", "backslashreplace")
