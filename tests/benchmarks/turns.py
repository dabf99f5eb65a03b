"""Processes that take turns on one machine. Linux only.

Each side has its own process, because the first session of a process fixes TensorFlow's thread
pools. One works while the others wait, so a busy or hot processor slows all of them alike.
"""

import contextlib
import multiprocessing
import os
import time

from tests import processes

SETTLED = 0.02  # seconds of processor time in 0.3 s; below this a process is idle


class Player:
    """A process with an object in it, whose methods are called from here and run there."""

    def __init__(self, name, make, *arguments, environment=None):
        """Start the process.

        Args:
          name: str, shown in tables.
          make: function (*arguments) -> context manager of the object; importable.
          *arguments: must be picklable.
          environment: dict of environment variables that the process has from its start, or None.
        """
        spawn = multiprocessing.get_context("spawn")
        self.name = name
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, make, *arguments), name=name)
        before = dict(os.environ)
        os.environ.update(environment or {})
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()  # else the end of the process would not end the connection

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._connection.close()
        self._process.join(60)
        self._process.terminate()

    def ask(self, method, *arguments):
        """Call a method of the object and return its result."""
        self.tell(method, *arguments)
        return self.answer()

    def tell(self, method, *arguments):
        """Call a method of the object without waiting; `answer` returns its result."""
        with self._named():
            self._connection.send((method, arguments))

    def answer(self):
        """Return the result of the method that was called by `tell`."""
        with self._named():
            return self._connection.recv()

    @contextlib.contextmanager
    def _named(self):
        """Turn a broken connection into a SystemExit that names the process."""
        try:
            yield
        except (EOFError, ConnectionError):
            message = f"benchmarks: the process of {self.name} ended; see its message above"
            raise SystemExit(message) from None

    def processor_seconds(self):
        """Return the processor time used so far by the process and its living descendants."""
        return processes.used(processes.family(self._process.pid)).seconds

    def peak_memory(self):
        """Return the peak resident MB of the process, and a list of those of its descendants."""
        own, *others = map(processes.peak_memory, processes.family(self._process.pid))
        return own, others


def _serve(connection, make, *arguments):
    """Answer the calls of Player.ask until the connection ends."""
    with make(*arguments) as side:
        while True:
            try:
                method, given = connection.recv()
            except EOFError:
                return
            connection.send(getattr(side, method)(*given))


def alternate(players, rounds, method, *arguments):
    """Let players take turns, in reversed order every other round, after one turn of warm-up.

    Prints the load of the machine, and how much processor time the idle players used.

    Args:
      players: list of Player.
      rounds: int.
      method: str, a method of each object; it does one turn and returns its seconds.
      *arguments: of the method.

    Returns:
      dict name -> list of seconds, one for each round.
    """
    for player in players:
        player.ask(method, *arguments)
    seconds = {player.name: [] for player in players}
    load = os.getloadavg()[0]
    idle = 0.0
    for number in range(rounds):
        for player in players if number % 2 == 0 else reversed(players):
            others = [other for other in players if other is not player]
            settle(others)
            before = _used(others)
            seconds[player.name].append(player.ask(method, *arguments))
            idle += _used(others) - before
    share = idle / sum(map(sum, seconds.values()))
    print(f"Load {load:.1f}. Idle competitors used {share:.1%} of one core.\n", flush=True)
    return seconds


def settle(players, patience=60.0):
    """Wait until players are idle: images that one draws ahead must not slow the next turn."""
    end = time.monotonic() + patience
    used = _used(players)
    while players and time.monotonic() < end:
        time.sleep(0.3)
        before = used
        used = _used(players)
        if used - before <= SETTLED:
            return
    if players:
        names = ", ".join(player.name for player in players)
        print(f"Still busy after {patience:.0f} s, which slows the next turn: {names}", flush=True)


def _used(players):
    return sum(player.processor_seconds() for player in players)
