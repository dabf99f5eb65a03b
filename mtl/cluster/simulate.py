"""`mtl cluster --simulate=workers,ps,bandwidth`: the predictions of scale.py as text."""

import re
from typing import NamedTuple

from mtl.cluster import measured, scale
from mtl.errors import UsageError, shown

FLAG = "--simulate"
EXAMPLE = f"write {FLAG}=workers,ps,Gbit/s[,latency], such as 8,2,10 or 8,2,10,0.1ms"
MAX_WORKERS, MAX_SERVERS = 10_000, 1_000
GBIT = 1e9 / 8.0  # bytes/s
DEFAULT_LATENCY = 50e-6  # seconds, one way: between machines of one data centre
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_MODES = {"synchronous": scale.synchronous, "asynchronous": scale.asynchronous}
_HEAD = ("workers", "images/s", "efficiency", "ms a step", "limited by")


class Request(NamedTuple):
    """The value of --simulate."""

    workers: int
    servers: int
    gbits: float  # of each machine, in each direction
    latency: float = DEFAULT_LATENCY  # seconds, one way


def parse(text):
    """Return the Request of a value such as "8,2,10" or "8,2,10,0.1ms".

    Raises:
      UsageError: the value is wrong.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (3, 4):
        raise UsageError(f"{FLAG}={shown(text)[:80]} has {len(parts)} values; {EXAMPLE}")
    workers = _count("workers", parts[0], MAX_WORKERS)
    servers = _count("ps", parts[1], MAX_SERVERS)
    gbits = _positive("bandwidth", parts[2], parts[2])
    if len(parts) == 3:
        return Request(workers, servers, gbits)
    found = re.fullmatch(r"(.*?)\s*(us|ms|s)", parts[3])
    if not found:
        what = f"{FLAG}: the latency {shown(parts[3])[:80]!r} has no unit"
        raise UsageError(f"{what}; use us, ms or s, such as 50us or 0.1ms")
    number = 0.0 if found[1] == "0" else _positive("latency", found[1], parts[3])
    return Request(workers, servers, gbits, number * _UNITS[found[2]])


def report(
    workers,
    servers,
    gbits,
    latency=DEFAULT_LATENCY,
    *,
    network=measured.LIGHT,
    machine=measured.MACHINE,
    batch=0,
    by_task=False,
):
    """Return the predictions for 1, 2, 4, ... workers as text.

    Args:
      workers: int, the largest number of workers.
      servers: int, parameter servers.
      gbits: float, Gbit/s of each machine, in each direction.
      latency: float, seconds in the network, one way.
      network: measured.Network.
      machine: measured.Machine.
      batch: int, images of a worker in a step; 0 means that of the network.
      by_task: bool, whether the objective needs the gradient of each task.
    """
    batch = batch or network.batch
    setup = scale.Setup(workers, servers, gbits * GBIT, latency, batch, by_task)
    total = sum(network.variables) / 1e6
    lines = [
        f"Computed, not measured: {network.name} ({total:.1f} MB of variables), "
        f"{batch} images of each worker in a step,",
        f"{servers} ps, {gbits:g} Gbit/s, latency {1e3 * latency:g} ms. Inputs measured on:",
        f"{machine.name}.",
    ]
    for mode, predict in _MODES.items():
        lines += ["", f"{mode}:", *_table(predict, network, setup, machine)]
        lines += _facts(predict, network, setup, machine)
    return "\n".join(lines)


def _table(predict, network, setup, machine):
    """Return the lines of a table of 1, 2, 4, ... workers."""
    rows = [_HEAD]
    for workers in counts(setup.workers):
        found = predict(network, setup._replace(workers=workers), machine)
        step = 1e3 * workers * setup.batch / found.images
        efficiency = f"{found.efficiency:.0%}"
        rows.append((str(workers), f"{found.images:.0f}", efficiency, f"{step:.1f}", found.limit))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        lines.append("  ".join(["", *cells, row[-1]]))
    return lines


def counts(workers):
    """Return 1, 2, 4, ... below a number of workers, and this number."""
    found = []
    while 2 ** len(found) < workers:
        found.append(2 ** len(found))
    return [*found, workers]


def _facts(predict, network, setup, machine):
    """Return lines: where it stops scaling, and what each change would bring."""
    flat = scale.flat_from(predict, network, setup, machine)
    if flat is None:
        lines = [f"  Up to {scale.LARGEST} workers, twice as many bring 10% or more."]
    else:
        lines = [f"  From {flat} workers on, twice as many bring less than 10%."]
    found = predict(network, setup, machine)
    lines.append(f"  With {setup.workers} workers, times as fast with:")
    for change, other in scale.cures(setup).items():
        gain = predict(network, other, machine).images / found.images
        lines.append(f"    {gain:4.1f}  {change}")
    lines.append(f"  Memory of variables and gradients in the largest ps: {_size(found.memory)}.")
    return lines


def _size(count):
    """Return bytes as text."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _count(name, text, largest):
    """Return a whole number of processes."""
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= largest:
        what = f"{FLAG}: the number of {name} is {shown(text)[:80]!r}"
        raise UsageError(f"{what}; use a whole number from 1 to {largest}")
    return int(text)


def _positive(name, number, text):
    """Return a positive number; text: what an error shows."""
    unit = " of Gbit/s" if name == "bandwidth" else ""
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 1e-6 <= value <= 1e6:
        what = f"{FLAG}: the {name} is {shown(text)[:80]!r}"
        raise UsageError(f"{what}; use a number{unit} from 0.000001 to 1000000")
    return value
