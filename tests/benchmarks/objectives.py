"""The training step of every objective, compared with what its definition needs, and TorchJD's."""

import contextlib
import importlib.util
import itertools

import numpy as np

from mtl import catalogue
from mtl.monitor.combination import MOST
from tests.benchmarks import mtl_objectives, sides, tables, turns

TITLE = "Objectives: the training step, and what each definition needs"
BOTTOM, SIZE = "light", 32
TASKS = (2, 6, 40)
# The largest ratio to the reference, for objectives that need losses or gradients.
LIMITS = {catalogue.LOSSES: 1.03, catalogue.GRADIENTS: 1.1}
NAMES = [name for name in catalogue.NAMES if name != "answer"]  # it has tasks of its own
EXTRA = ["passes", "again", "short"]  # what definitions need, see mtl_objectives.py
# What takes turns with each other: objectives of similar cost, with their references.
SLOW = ["passes", *[name for name in NAMES if mtl_objectives.reference(name) == "passes"]]
FAST = [name for name in [*EXTRA, *NAMES] if name not in SLOW]
REPEATS = 5  # turns of a fast objective in a round, because its limit is near the noise
SECONDS = 0.1  # of a turn, unless one step takes longer
EVALUATIONS = 20  # with the monitor
SAVE_EVERY = 1000  # the default of --save_every: steps between evaluations


def run(arguments):
    """Measure and print a table for each number of tasks, and that of the monitor."""
    peer = _has_peer()
    print(
        f"`{BOTTOM}`, fp32, batches of {SIZE}, random images and labels of "
        f"{mtl_objectives.CLASSES} classes, Adam, 2 threads;\n{arguments.rounds} rounds in turns, "
        f"in random order, with {REPEATS} turns of each objective that needs one backward pass. A\n"
        "ratio is the median of those of the turns; `*` is above the limit.\n"
    )
    print(
        "Rows that are no objective compute only what definitions need: `passes` adds up the "
        "gradients of the\ntasks, each computed separately; `again` computes the losses a second "
        "time, after the update; `short`\ncomputes the norm of each task's gradient at the last "
        "layer of the bottom.\n"
    )
    print(f"{_versions()}\n" if peer else "TorchJD is not installed: pip install '.[bench]'.\n")
    monitors = []
    for count in TASKS[:-1] if arguments.quick else TASKS:
        with _players(count, peer) as players:
            seconds = measured(players, arguments.rounds)
            monitors += _monitored(players[0], count, seconds)
        print(f"#### {count} tasks\n")
        _print(count, seconds)
    print("#### The monitor of an evaluation\n")
    print(
        f"`linear`, an evaluation every {SAVE_EVERY:,} steps; gradients of at most {MOST} tasks.\n"
    )
    head = ["tasks", "--monitor_gradients", "ms an evaluation", "of a run", "s at the start"]
    tables.table(head, monitors)


def _has_peer():
    return all(map(importlib.util.find_spec, ("torch", "torchjd")))


def _versions():
    return f"{sides.versions()[:-1]}, torchjd {sides.version('torchjd')}."


@contextlib.contextmanager
def _players(count, peer):
    """Start mtl, and TorchJD if `peer`; yield the list of turns.Player."""
    with contextlib.ExitStack() as stack:
        arguments = (mtl_objectives.opened, BOTTOM, count, SIZE)
        players = [stack.enter_context(turns.Player("mtl", *arguments))]
        if peer:
            opener = sides.Opener("tests.benchmarks.torchjd_objectives")
            players.append(stack.enter_context(turns.Player("TorchJD", opener, count, SIZE)))
        yield players


def measured(players, rounds):
    """Open all objectives of all players, then let them take turns.

    Returns:
      dict (player name, objective) -> float [turns], the median seconds of a step in each turn.
    """
    seconds = {}
    for player in players:
        for name in [*FAST, *SLOW] if player.name == "mtl" else player.ask("names"):
            player.ask("open", name)
            player.ask("turn", name)
            seconds[player.name, name] = []
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for player in players:
            turns.settle([other for other in players if other is not player])
            for name in _order(rng, [name for side, name in seconds if side == player.name]):
                seconds[player.name, name].append(player.ask("turn", name, SECONDS))
    return {key: np.array(values) for key, values in seconds.items()}


def _order(rng, names):
    """Return the names in the order of the turns of a round; fast ones occur several times."""
    fast = [name for name in names if name in FAST]
    slow = [name for name in names if name not in fast]
    return [
        *itertools.chain(*[rng.permutation(fast) for _ in range(REPEATS)]),
        *rng.permutation(slow),
    ]


def _print(count, seconds):
    """Print the table of a number of tasks."""
    rows = [_row(count, name, seconds) for name in [*EXTRA, *NAMES]]
    head = ["", "ms a step", "compared with", "ratio", "quartiles", "limit", "TorchJD, ms"]
    tables.table([*head, "its ratio to passes"], rows)


def _row(count, name, seconds):
    """Return the row of an objective, or of what definitions need."""
    for side in ("mtl", "TorchJD"):
        if (side, name) in seconds:
            values = 1e3 * seconds[side, name]
            tables.record("objectives", f"{count} tasks, {name}", side, values, "ms")
    row = [f"`{name}`", f"{1e3 * np.median(seconds['mtl', name]):.1f}"]
    if name in NAMES:
        base, limit = mtl_objectives.reference(name), LIMITS[catalogue.entry(name).needs]
        row += [f"`{base}`", *_ratio(seconds, "mtl", name, base, limit), f"{limit:.2f}"]
    else:
        row += ["", "", "", ""]
    if ("TorchJD", name) not in seconds:
        return [*row, "", ""]
    peer = f"{1e3 * np.median(seconds['TorchJD', name]):.1f}"
    return [*row, peer, "" if name == "linear" else _ratio(seconds, "TorchJD", name, "passes")[0]]


def _ratio(seconds, side, name, base, limit=np.inf):
    """Return the ratio of an objective to its reference, marked above the limit, and quartiles."""
    low, median, high = np.percentile(seconds[side, name] / seconds[side, base], [25, 50, 75])
    return f"{median:.3f}{' `*`' if median > limit else ''}", f"{low:.2f} .. {high:.2f}"


def _monitored(player, count, seconds):
    """Measure the monitor; return the rows of its table."""
    rows = []
    step = np.median(seconds["mtl", "linear"])
    for gradients in (False, True)[: 1 + (count <= MOST)]:
        started, found = player.ask("monitored", "linear", gradients, EVALUATIONS)
        tables.record("monitor", f"{count} tasks, gradients {gradients}", "mtl", found, "s")
        each = np.median(found)
        share = f"{each / (SAVE_EVERY * step):.3%}"
        row = [str(count), "yes" if gradients else "no", f"{1e3 * each:.1f}", share]
        rows.append([*row, f"{started:.1f}"])
    return rows
