"""Processes that take turns at the same machine. Linux alone: it reads /proc.

Each side has a process of its own, because the first session of a process fixes TensorFlow's thread pools for all that come after. One
works while the others wait for a message: what a loud neighbour or a hot processor costs falls on all of them alike.
"""

import multiprocessing
import os
import pathlib
import time

TICK = (
    os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
)  # of the processor times in /proc, a second


class Player:
    """A process with an object in it, whose methods are called from here and run there."""

    def __init__(self, name, make, *arguments, environment=None):
        """Start it.

        Args:
          name: str, of the side in tables.
          make: function (*arguments) -> context manager of the object, importable.
          *arguments: whatever spawn can send.
          environment: dict of environment variables that the process sees from its start, or None.
        """
        spawn = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, make, *arguments), name=name)
        before = dict(os.environ)
        os.environ.update(environment or {})
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()  # so that a process that dies is an end of file here, not an eternal wait

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.connection.close()
        self.process.join(60)
        self.process.terminate()

    def ask(self, method, *arguments):
        """Call a method of the object there; returns what it returned."""
        try:
            self.connection.send((method, arguments))
            return self.connection.recv()
        except (EOFError, ConnectionError):
            raise SystemExit(
                f"benchmarks: the process of {self.name} ended; its own message stands above"
            ) from None

    def processor_seconds(self):
        """Return the processor time used so far by the process and its living descendants."""
        return sum(sum(map(int, fields[11:13])) for _, fields in family(self.process.pid)) / TICK

    def peak_memory(self):
        """Return the peak resident MB of the process, and a list of those of its living descendants."""
        own, *others = [_peak(pid) for pid, _ in family(self.process.pid)]
        return own, others


def _serve(connection, make, *arguments):
    with make(*arguments) as side:
        while True:
            try:
                method, given = connection.recv()
            except EOFError:
                return
            connection.send(getattr(side, method)(*given))


def settle(players, patience=60.0):
    """Wait until the processes of all players rest: images drawn ahead belong to their own turn, not to the next player's."""
    end, used = time.monotonic() + patience, sum(player.processor_seconds() for player in players)
    while players and time.monotonic() < end:
        time.sleep(0.3)
        before, used = used, sum(player.processor_seconds() for player in players)
        if used - before <= 0.02:
            return
    if players:
        print(
            f"{', '.join(player.name for player in players)}: one still works after {patience:.0f} s and slows the next turn",
            flush=True,
        )


def alternate(players, rounds, method, *arguments):
    """Let players take turns, in reversed order every other round, after one turn each of warm-up.

    Args:
      players: list of Player.
      rounds: int.
      method: str, of the object of each: one turn, which returns its own seconds.
      *arguments: of the method.

    Returns:
      dict name -> list of seconds, one a round. What the resting players used of the processor is printed.
    """
    for player in players:
        player.ask(method, *arguments)
    seconds, resting = {player.name: [] for player in players}, 0.0
    for number in range(rounds):
        for player in players if number % 2 == 0 else reversed(players):
            others = [other for other in players if other is not player]
            settle(others)
            before = sum(other.processor_seconds() for other in others)
            seconds[player.name].append(player.ask(method, *arguments))
            resting += sum(other.processor_seconds() for other in others) - before
    print(
        f"Whoever rested used {resting / sum(map(sum, seconds.values())):.1%} of one core meanwhile.\n",
        flush=True,
    )
    return seconds


def family(pid):
    """List a process and its living descendants, the process first, as (pid, fields of /proc/PID/stat after the command)."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command stands in brackets and may itself hold blanks and brackets.
            found[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended in between
            continue
    members = [pid] if pid in found else []
    for member in members:  # grows while it is walked
        members += [child for child, fields in found.items() if int(fields[1]) == member]
    return [(member, found[member]) for member in members]


def _peak(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")),
        0.0,
    )
