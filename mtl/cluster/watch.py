"""Which members of a cluster are lost, and for which ones this process waits.

A member that was killed refuses connections, and is lost after seconds. One that hangs, or cannot
be reached, is waited for, with a message every few seconds, and is lost much later.
"""

import socket
import time
from typing import List, NamedTuple, Optional

from mtl.cluster import board

QUIET = 3.0  # seconds without a beat, after which a member is probed
WAIT = 10.0  # seconds of waiting before a message, and between messages
HANGING = 120.0  # seconds after which a member that does not answer is lost, if not longer
STOPPED = 20.0  # seconds between two looks; if the board does not answer, there are 7
CONNECT = 2.0  # seconds


class Found(NamedTuple):
    """What a look at the beats shows."""

    lost: Optional[str]  # a message about a member that is lost, or None
    waiting: List[str]  # messages about members that are waited for


class Watch:
    """Looks at the beats of some members, about every second."""

    def __init__(self, peers, patience=0.0, gone=None, host=None, probe=None, clock=time.monotonic):
        """Store the settings.

        Args:
          peers: dict row of the beats -> (name, address) of a member to watch.
          patience: float, seconds to wait for a member that does not answer, if above HANGING.
          gone: set of int, numbers of processes that are known to be lost; extended in place.
          host: int, the row of the member that has the beats.
          probe: function (address) -> bool or None; see `listens`. Tests replace it.
          clock: function () -> seconds.
        """
        self._peers = peers
        self._patience = max(HANGING, patience)
        self._gone = set() if gone is None else gone
        self._probe = probe or listens
        self._clock = clock
        self._host = host
        self._seen = {}  # row -> Beat
        self._start_clocks(clock())

    def _start_clocks(self, now):
        self._looked_at = self._read_at = now
        self._beat_at = dict.fromkeys(self._peers, now)  # row -> when the count last changed
        self._moved_at = dict.fromkeys(self._peers, now)  # row -> when what it does last changed
        self._told_at = dict.fromkeys(self._peers, now)

    def look(self, beats):
        """Return Found; beats: list of board.Beat, or None if the board cannot be read."""
        now, waiting = self._clock(), []
        if now - self._looked_at >= STOPPED:  # this process itself was stopped
            self._start_clocks(now)
        self._looked_at = now
        if beats is not None:
            self._read_at = now
        for row, (name, address) in self._peers.items():
            is_unknown = beats is None and row != self._host
            silent = now - self._beat_at[row]
            if is_unknown:
                # Whether it beats is unknown. Only a connection that it refuses counts.
                silent = min(now - self._read_at, QUIET)
                self._beat_at[row] = self._moved_at[row] = now
            elif beats is not None:
                before = self._seen.get(row)
                self._note(row, before, beats[row], now)
                silent = now - self._beat_at[row]
                if before and before.process not in (0, beats[row].process, *self._gone):
                    self._gone.add(before.process)
                    return Found(f"{name} was started again", [])
            lost, reason = self._judged(row, address, now, silent)
            if lost:
                self._gone.add(self._seen[row].process if row in self._seen else 0)
                return Found(f"{name} {lost}", [])
            if reason and not is_unknown and now - self._told_at[row] >= WAIT:
                self._told_at[row] = now
                waiting.append(f"waiting for {name}, which {reason}")
        return Found(None, waiting)

    def _note(self, row, before, beat, now):
        """Store a beat, and when it changed."""
        if before is None or beat.count != before.count:
            self._beat_at[row] = now
        if before is None or beat[2:] != before[2:]:
            self._moved_at[row] = now
        self._seen[row] = beat

    def _judged(self, row, address, now, silent):
        """Return why a member is lost, or None, and why it is waited for, or None."""
        beat = self._seen.get(row)
        if beat is not None and beat.process in (0, *self._gone):
            return None, "has not started"
        if beat is not None and beat.doing == board.DONE:
            return None, None
        if beat is not None and beat.doing == board.LEFT:
            return "has ended", None
        if silent >= QUIET and self._probe(address) is False:
            return "has ended", None
        if silent >= self._patience:
            return f"has not answered for {silent:.0f} s", None
        if silent >= WAIT:
            return None, f"has not answered for {silent:.0f} s"
        preparing = beat is not None and beat.doing == board.PREPARING
        if preparing and now - self._moved_at[row] >= WAIT:
            return None, f"prepares its batch of step {beat.step + 1}"
        return None, None


def listens(address: str) -> Optional[bool]:
    """Return whether a process listens at host:port; None if the host cannot be reached."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    return True


def wait_for_servers(peers, say, stop, seconds=float("inf"), poll=0.2):
    """Wait until some members listen; say for which ones every few seconds.

    Args:
      peers: dict as of Watch.
      say: function (str).
      stop: function () -> int, nonzero to give up.
      seconds: float, when to give up.
      poll: float, seconds between looks.

    Returns:
      list of the names of the members that do not listen; empty unless it gave up.
    """
    began = told_at = time.monotonic()
    missing = dict(peers)
    while True:
        missing = {row: peer for row, peer in missing.items() if not listens(peer[1])}
        names = [name for name, _ in missing.values()]
        now = time.monotonic()
        if not missing or stop() or now - began >= seconds:
            return names
        if now - told_at >= WAIT:
            told_at = now
            say(f"waiting for {', '.join(names)}, which has not started")
        time.sleep(poll)
