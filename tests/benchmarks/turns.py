"""Processes that take turns at the same machine, and the table of how fast each was. Linux alone: it reads /proc.

Each side has a process of its own, because the first session of a process fixes TensorFlow's thread pools for all that come after. One
works while the others wait for a message: what a loud neighbour or a hot processor costs falls on all of them alike.
"""

import multiprocessing
import os
import pathlib
import time

import numpy as np

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100  # of the processor times in /proc, a second


class Player:
    """A process that works when it is told to: it answers each message by the seconds of one turn, after whatever it sends on its own."""

    def __init__(self, name, work, *arguments):
        """Start it.

        Args:
          name: str, the column of the table.
          work: function (connection, *arguments), importable: the process's whole life.
          *arguments: whatever spawn can send.
        """
        spawn = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=work, args=(theirs, *arguments), name=name)
        self.process.start()
        theirs.close()  # so that a process that dies is an end of file here, not an eternal wait

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.connection.close()
        self.process.join(60)
        self.process.terminate()

    def receive(self):
        try:
            return self.connection.recv()
        except EOFError:
            raise SystemExit(f"benchmarks: the process of {self.name} ended; its own message stands above") from None

    def turn(self):
        """Let it work once; returns the seconds."""
        self.connection.send("go")
        return self.receive()

    def processor_seconds(self):
        """Return the processor time used so far by the process and its living descendants."""
        return sum(sum(map(int, fields[11:13])) for _, fields in family(self.process.pid)) / TICK

    def settle(self, patience=60.0):
        """Wait until the process and its descendants rest: images drawn ahead belong to its own turn, not to the next player's."""
        end, used = time.monotonic() + patience, self.processor_seconds()
        while time.monotonic() < end:
            time.sleep(0.3)
            before, used = used, self.processor_seconds()
            if used - before <= 0.02:
                return
        print(f"{self.name} still works after {patience:.0f} s: the next turn is slowed by it", flush=True)

    def peak_memory(self):
        """Return the peak resident MB of the process, and a list of those of its living descendants."""
        own, *others = [_peak(pid) for pid, _ in family(self.process.pid)]
        return own, others


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
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def alternate(players, rounds):
    """Warm each player up by one turn, then let them take turns, in reversed order every other round.

    Args:
      players: list of Player.
      rounds: int.

    Returns:
      dict name -> list of seconds, one a round. What the resting players used of the processor is printed.
    """
    for player in players:
        player.turn()
    seconds, resting = {player.name: [] for player in players}, 0.0
    for number in range(rounds):
        for player in players if number % 2 == 0 else reversed(players):
            others = [other for other in players if other is not player]
            for other in others:
                other.settle()
            before = sum(other.processor_seconds() for other in others)
            seconds[player.name].append(player.turn())
            resting += sum(other.processor_seconds() for other in others) - before
    share = resting / sum(map(sum, seconds.values()))
    print(f"Whoever rested used {share:.1%} of one core meanwhile.\n")
    return seconds


def table(players, seconds, images):
    """Print the rates as a Markdown table, and the ratio of the first player to the second.

    Args:
      players: two Players.
      seconds: dict name -> list of seconds, one a round.
      images: int, images of one turn.
    """
    first, second = [images / np.array(seconds[player.name]) for player in players]
    names = [player.name for player in players]
    print(f"| round | {names[0]}, images/s | {names[1]}, images/s | {names[0]} / {names[1]} |")
    print("|---|---:|---:|---:|")
    for number, (one, other) in enumerate(zip(first, second), start=1):
        print(f"| {number} | {one:.1f} | {other:.1f} | {one / other:.3f} |")
    print(f"| median | {np.median(first):.1f} | {np.median(second):.1f} | {np.median(first / second):.3f} |")
    low, high = np.percentile([first, second, first / second], [25, 75], axis=1)
    print(f"| quartiles | {low[0]:.1f} .. {high[0]:.1f} | {low[1]:.1f} .. {high[1]:.1f} | {low[2]:.3f} .. {high[2]:.3f} |")
    print(f"\nRatio of the medians: {np.median(first) / np.median(second):.3f}\n", flush=True)
