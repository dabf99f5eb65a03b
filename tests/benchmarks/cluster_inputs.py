"""The measured inputs of the model of mtl/cluster/scale.py."""

from typing import NamedTuple

import numpy as np

from mtl import machine
from mtl.cluster import measured
from mtl.runs.environment import processor
from tests.benchmarks import cluster_sides, tables

ALONE = "alone"  # the run of one machine, in the worker with all cores
LARGE = "worker4"  # the worker with all cores
LIGHT, PAPER = (16, 64), (8, 32)  # images of the two batches that give `fixed` and `images`
ROUNDS = 4
STEPS = 15
SPREAD_STEPS = 100
TENSORS = 101
COPIED = 8  # large tensors
PARTS = 9


class Inputs(NamedTuple):
    """What was measured."""

    thread: measured.Network  # `light`, a worker with one thread
    light: measured.Network  # a worker with all cores
    paper: measured.Network  # a worker with all cores
    machine: measured.Machine


def measure(players, batch):
    """Measure the inputs.

    Args:
      players: dict name -> turns.Player.
      batch: int, images of a step of the run ALONE.

    Returns:
      Inputs.
    """
    one, large, cores = players["worker0"], players[LARGE], machine.cores()
    found = Inputs(
        thread=_network(one, "light", 1, LIGHT, 10),
        light=_network(large, "light", cores, LIGHT, 10),
        paper=_network(large, "paper", cores, PAPER, 2),
        machine=_machine(players, one),
    )
    large.ask("alone", cluster_sides.config("light", batch, cores), ALONE)
    large.ask("initialize", ALONE)
    large.ask("train", ALONE, 3, batch)
    return found


def _network(player, bottom, threads, batches, steps):
    """Return the Network of a bottom, with the speed of a worker."""
    for batch in batches:
        player.ask("alone", cluster_sides.config(bottom, batch, threads), f"{bottom} {batch}")
        player.ask("initialize", f"{bottom} {batch}")
    times = {batch: [] for batch in batches}
    for _ in range(ROUNDS):  # in turns: the speed of the machine changes
        for batch in batches:
            times[batch] += player.ask("gradients", f"{bottom} {batch}", steps + 1, batch)[1:]
    for batch in batches:
        player.ask("close", f"{bottom} {batch}")
    small, large = batches
    few, many = (float(np.median(times[batch])) for batch in batches)
    # A step takes fixed + images / rate.
    fixed = (large * few - small * many) / (large - small)
    fixed = min(max(fixed, 0.0), 0.9 * few)
    rate = large / (many - fixed)
    return measured.NETWORKS[bottom]._replace(batch=large, images=rate, fixed=fixed)


def _machine(players, player):
    """Return the Machine; player: a worker with one thread."""
    server = players["ps0"]
    one, many = (player.ask("pull", count, 1, STEPS) for count in (1, TENSORS))
    large = player.ask("pull", COPIED, cluster_sides.LARGE, STEPS)
    sizes = list(measured.LIGHT.variables)
    total = sum(sizes)
    message = max(many - one, 0.0) / (TENSORS - 1)
    copied = 4 * COPIED * cluster_sides.LARGE
    few, more = (server.ask("additions", sizes, count, STEPS) for count in (2, 1 + PARTS))
    player.ask("alone", cluster_sides.config("light", LIGHT[1], 1), "spread")
    player.ask("initialize", "spread")
    times = player.ask("gradients", "spread", SPREAD_STEPS, LIGHT[1])
    player.ask("close", "spread")
    return measured.Machine(
        name=f"{processor()}, {machine.cores()} cores",
        copy=copied / max(large - one - COPIED * message, 1e-9),
        message=message,
        hop=one / 2.0,
        add=(PARTS - 1) * total / max(more - few, 1e-9),
        update=total / server.ask("update", sizes, STEPS),
        spread=float(np.std(np.log(times[5:]))),
    )


def show(found):
    """Print Inputs, and the lines of mtl/cluster/measured.py."""
    costs, rows = found.machine, []
    for name in ("thread", "light", "paper"):
        each = getattr(found, name)
        threads = "one thread" if name == "thread" else "all cores"
        row = [f"gradients of `{each.name}`, {threads}", f"{each.images:.0f} images/s"]
        rows.append([*row, f"{1e3 * each.fixed:.1f} ms a step"])
    rows += [
        ["sending", f"{costs.copy / 1e9:.2f} GB/s", f"{1e6 * costs.message:.0f} us a tensor"],
        ["an empty message, one way", f"{1e6 * costs.hop:.0f} us", ""],
        ["adding gradients", f"{costs.add / 1e9:.2f} GB/s", ""],
        ["Adam", f"{costs.update / 1e9:.2f} GB/s of variables", ""],
        ["spread of the logarithm of the time of a pass", f"{costs.spread:.3f}", ""],
    ]
    print("Inputs of the model:\n")
    tables.table(["", "rate", "and"], rows)
    print("For mtl/cluster/measured.py:\n")
    for each in (found.light, found.paper):
        print(f"    {each.name.upper()}: images={each.images:.0f}, fixed={each.fixed:.5f}")
    values = [f"{name}={value!r}" for name, value in _rounded(costs).items()]
    print(f"    MACHINE: {', '.join(values)}\n", flush=True)


def _rounded(found):
    """Return the fields of a Machine with three digits."""
    values = found._asdict()
    for name, value in values.items():
        if name != "name":
            values[name] = float(f"{value:.3g}")
    return values
