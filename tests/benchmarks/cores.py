"""Many cores: the training step with 1 to 16 threads, by layouts of mtl and by competitors.

    python -m tests.benchmarks --only=cores --quick --csv=cores.csv    # about 8 minutes

Each side has a process for each number of threads, which needs 1 GB (`paper`: 2 GB).
"""

import contextlib
import os
import time
from typing import Any, NamedTuple

import numpy as np

from mtl import machine
from mtl.inputs import NUMBERS
from mtl.tasks import NUMBER_TASKS
from tests.benchmarks import isa, layouts, mtl_trainer, sides, tables, turns

TITLE = "Threads: the training step on many cores"
THREADS = (1, 2, 4, 8, 16)
BATCHES = (32, 64, 128, 256)
BOTTOMS = ("light", "small", "base", "paper")
PEERS = ("Keras, TensorFlow", "PyTorch, channels_last, fused Adam")  # the fastest of each
TURN = 1.0  # seconds of a turn, about
SLOWER = 0.97  # below this ratio, more threads count as slower; the rest is noise


class Quick(NamedTuple):
    """What --quick changes. It stops after `minutes`, with the most different cases first."""

    batches: tuple = (32, 128)
    bottoms: tuple = ("small", "base")
    layouts: int = 4  # the first of layouts.every
    rounds: int = 3
    turn: float = 0.4
    minutes: float = 7.0


class Case(NamedTuple):
    """What one table compares."""

    bottom: str
    precision: str
    batch_size: int


class Entry(NamedTuple):
    """A side with a number of threads."""

    name: str
    threads: int
    player: turns.Player
    layout: Any  # layouts.Layout, None for a competitor


# -- in the process of a side ----------------------------------------------------------------------


class Steps:
    """Training steps of one side, of one case after another."""

    def __init__(self):
        self._open = contextlib.ExitStack()

    def prepare(self, make, config, *arguments):
        """Open a side and train one step, which compiles.

        Args:
          make: function (config, *arguments) -> context manager of a side, see mtl_trainer.Side.
          config: Config.
          *arguments: of `make`.
        """
        self._open.close()
        self._side = self._open.enter_context(make(config, *arguments))
        rng = np.random.default_rng(0)
        size = config.batch_size
        images = rng.integers(0, 256, [size, *NUMBERS.network_shape], np.uint8)
        labels = {task.name: rng.integers(0, 7, size, np.int32) for task in NUMBER_TASKS}
        self._batch = images, labels
        self.turn(1)

    def weights(self):
        """Return the weights, dict name -> array."""
        return self._side.weights()

    def turn(self, steps):
        """Train; return the seconds."""
        return self._side.chunk([self._batch] * steps)


@contextlib.contextmanager
def opened():
    """Open Steps."""
    yield Steps()


# -- sides -----------------------------------------------------------------------------------------


class Sides:
    """The processes, each started when it is first needed."""

    def __init__(self, stack):
        self._stack = stack
        self._players = {}

    def prepared(self, case, threads, count):
        """Prepare all sides for a case.

        Args:
          case: Case.
          threads: sequence of int.
          count: int, layouts of mtl, or None for all of them.

        Returns:
          list of Entry.
        """
        entries = self._layouts(case, threads, count)
        weights = entries[0].player.ask("weights")
        for peer in sides.peers(quick=True, skip_missing=True):
            if peer.name not in PEERS:
                continue
            for number in threads:
                player = self._player((peer.name, number), peer.environment)
                make = sides.Opener(peer.module)
                player.tell("prepare", make, _config(case, number), weights, peer.argument)
                entries.append(Entry(peer.name, number, player, None))
        for entry in entries:
            if not entry.layout:
                entry.player.answer()
        return entries

    def _layouts(self, case, threads, count):
        """Prepare the distinct layouts of mtl."""
        entries = []
        for number in threads:
            named = {}
            for name, layout in list(layouts.every(number, case.batch_size).items())[:count]:
                named.setdefault(layout, name)
            for layout, name in named.items():
                # The first session of a process fixes both pools.
                player = self._player((name, layout.intra, layout.inter))
                player.tell("prepare", mtl_trainer.opened, _config(case, number), layout)
                entries.append(Entry(name, number, player, layout))
        for entry in entries:
            entry.player.answer()
        return entries

    def _player(self, key, environment=None):
        if key not in self._players:
            player = turns.Player(" ".join(map(str, key)), opened, environment=environment)
            self._players[key] = self._stack.enter_context(player)
        return self._players[key]


def _config(case, threads):
    return sides.default(case.bottom, case.precision, batch_size=case.batch_size, threads=threads)


# -- measuring -------------------------------------------------------------------------------------


def run(arguments):
    """Measure and print a table for each case."""
    quick = Quick() if arguments.quick else None
    rounds = quick.rounds if quick else arguments.rounds
    limit = arguments.minutes or (quick.minutes if quick else float("inf"))
    threads = arguments.threads or [number for number in THREADS if number <= machine.cores()]
    print(_explained(rounds, threads))
    end = time.monotonic() + 60.0 * limit
    with contextlib.ExitStack() as stack:
        running = Sides(stack)
        for case in _cases(arguments, quick):
            if time.monotonic() > end:
                print(f"Skipped after {limit:g} minutes: {', '.join(map(str, case))}\n")
                continue
            entries = running.prepared(case, threads, quick.layouts if quick else None)
            rates = _measure(entries, case.batch_size, rounds, quick.turn if quick else TURN)
            _print(case, threads, entries, rates)


def _explained(rounds, threads):
    return (
        f"Images/s of training steps, medians of {rounds} rounds in turns, with "
        f"{', '.join(map(str, threads))} threads. `*`: below {SLOWER} times\nthe rate of fewer "
        f"threads. Ratios are medians of rounds. {sides.versions()}\n"
    )


def _cases(arguments, quick):
    """List the Cases; each next one differs in network and precision from the one before."""
    batches = arguments.batches or (quick.batches if quick else BATCHES)
    bottoms = [arguments.bottom] if arguments.bottom else (quick.bottoms if quick else BOTTOMS)
    precisions = [arguments.precision] if arguments.precision else isa.PRECISIONS[None]
    cases = []
    for batch in batches:
        for precision in precisions:
            cases += [Case(bottom, precision, batch) for bottom in bottoms]
    return cases


def _measure(entries, batch, rounds, turn):
    """Let the entries take turns; return dict (name, threads) -> array of images/s."""
    steps = {}
    for entry in entries:
        steps[entry] = max(2, round(turn / (entry.player.ask("turn", 2) / 2)))
    rates = {(entry.name, entry.threads): [] for entry in entries}
    for number in range(rounds):
        for entry in entries if number % 2 == 0 else reversed(entries):
            seconds = entry.player.ask("turn", steps[entry])
            rates[entry.name, entry.threads].append(steps[entry] * batch / seconds)
    return {key: np.array(values) for key, values in rates.items()}


def _print(case, threads, entries, rates):
    """Print the table of a case, and what follows from it."""
    for (name, number), values in rates.items():
        label = f"{case.bottom} {case.precision} batch {case.batch_size} threads {number}"
        tables.record("cores", label, name, values, "images/s")
    print(f"#### `{case.bottom}`, {case.precision}, batches of {case.batch_size}\n")
    print(f"Load {os.getloadavg()[0]:.1f}.\n")
    names = list(dict.fromkeys(entry.name for entry in entries))
    rows = [[name, *(_cell(rates, name, number) for number in threads)] for name in names]
    tables.table(["threads", *map(str, threads)], rows)
    chosen = {entry.threads: entry.layout for entry in entries if entry.name == "mtl"}
    text = ", ".join(f"{number}: {layout}" for number, layout in chosen.items())
    print(f"Towers of mtl x intra-op/inter-op threads by threads: {text}.\n")
    rows = [_verdict(rates, entries, number) for number in threads]
    head = ["threads", "mtl / fewer threads", "best layout", "mtl / it", "fastest competitor"]
    tables.table([*head, "mtl / it"], rows)


def _cell(rates, name, threads):
    """Return a median rate, marked if fewer threads are faster; "" if it was not measured."""
    if (name, threads) not in rates:
        return ""
    mark = " `*`" if _gain(rates, name, threads) < SLOWER else ""
    return f"{np.median(rates[name, threads]):.0f}{mark}"


def _gain(rates, name, threads):
    """Return the rate relative to the best one of the same side with fewer threads."""
    gains = []
    for (other, count), values in rates.items():
        if other == name and count < threads:
            gains.append(_ratio(rates[name, threads], values))
    return min(gains, default=1.0)


def _verdict(rates, entries, threads):
    """Return the row of a number of threads."""
    here = [entry for entry in entries if entry.threads == threads]
    row = [str(threads), f"{_gain(rates, 'mtl', threads):.2f}"]
    for competing in (False, True):
        listed = [entry.name for entry in here if (entry.layout is None) == competing]
        if not listed:
            row += ["", ""]
            continue
        best = max(listed, key=lambda name: np.median(rates[name, threads]))
        row += [best, f"{_ratio(rates['mtl', threads], rates[best, threads]):.2f}"]
    return row


def _ratio(first, second):
    """Return the median ratio of rates of the same rounds."""
    return float(np.median(first / second))
