"""Train for 100,000 steps in one process, and check that nothing grows. Linux only.

    python -m tests.endurance --out=DIR [--steps=100000]

It writes DIR/endurance.csv and DIR/endurance.png. Exit codes: 0 nothing grew, 1 something grew,
2 it could not run. RESULTS.md in tests/benchmarks records a run.
"""

import argparse
import contextlib
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mtl.cli import console
from mtl.data import npz
from mtl.data.examples import of_numbers
from mtl.reports import plot
from tests import processes

COLUMNS = (
    "step",
    "seconds",
    "memory_mb",
    "open_files",
    "threads",
    "processes",
    "disk_mb",
    "files",
    "ms_per_step",
    "processor_ms_per_step",
)


class Quantity(NamedTuple):
    """A quantity that must not grow."""

    column: str
    name: str
    statistic: Callable  # of the rows of a window
    limit: float  # last window / first window, at most


# A median ignores the rows in which a checkpoint was being written. The mean of ms_per_step
# includes evaluations and checkpoints.
QUANTITIES = (
    Quantity("memory_mb", "memory, MB", statistics.median, 1.05),
    Quantity("open_files", "open files", statistics.median, 1.0),
    Quantity("threads", "threads", statistics.median, 1.0),
    Quantity("processes", "processes", statistics.median, 1.0),
    Quantity("disk_mb", "disk, MB", statistics.median, 1.01),
    Quantity("files", "files on disk", statistics.median, 1.0),
    Quantity("ms_per_step", "step, ms, median", statistics.median, 1.1),
    Quantity("ms_per_step", "step, ms, mean", statistics.mean, 1.1),
    # Flat while a step is not: the machine was busy with something else.
    Quantity("processor_ms_per_step", "processor time of a step, ms", statistics.mean, 1.1),
)
WINDOWS = ((0.05, 0.15), (0.9, 1.0))  # shares of the steps: after the warm-up, and at the end
PANELS = (
    ("memory_mb", "memory, MB"),
    ("open_files", "open files"),
    ("ms_per_step", "ms a step"),
    ("disk_mb", "disk, MB"),
)
ROWS = 1000
EVALUATIONS = 100
LEAST_STEPS = 100  # each window then has ten rows
MB = 2**20


class Failed(Exception):
    """The training failed."""


# -- measure ---------------------------------------------------------------------------------------


def on_disk(directory):
    """Return the bytes and the number of files below a directory.

    Event files count as empty: they grow by design.
    """
    sizes = []
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                size = os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # a checkpoint that has just been replaced
            sizes.append(0 if name.startswith("events.") else size)
    return sum(sizes), len(sizes)


# -- run -------------------------------------------------------------------------------------------


def make_data(directory):
    """Write train.npz and validation.npz: 64 and 8 images of coarse patches, with numbers."""
    patches = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3), np.uint8)
    images = patches.repeat(16, axis=1).repeat(16, axis=2)
    numbers = [str(i * i) for i in range(64)]
    for split, count in (("train", 64), ("validation", 8)):
        examples = of_numbers(images[:count], numbers[:count], numbers[:count])
        npz.save(os.path.join(directory, f"{split}.npz"), examples)


def command(data_dir, model_dir, steps):
    """Return the command line of the run, a list of str."""
    flags = {
        "model_dir": model_dir,
        "dataset": "npz",
        "data_dir": data_dir,
        "bottom": "mlp",
        "batch_size": 2,
        "steps": steps,
        "save_every": max(1, steps // EVALUATIONS),
        "log_every": max(1, steps // ROWS),
        "verbosity": 1,
    }
    given = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-m", "mtl", "train", *given]


def watch(arguments, model_dir):
    """Run a training; yield a row, dict of COLUMNS, at each progress line after the first.

    Raises:
      Failed: the training failed; the message ends with its last line.
    """
    last = "no output"
    before = None
    start = time.monotonic()
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, text=True, **pipes) as process:
        try:
            for line in process.stderr:
                last = line.strip()
                progress = re.match(r"step (\d+)/", line)
                if progress:
                    now = _measure(int(progress[1]), process.pid, model_dir, start)
                    if before:
                        yield _with_rates(now, before)
                    before = now
        finally:
            process.terminate()  # no effect if it has ended
    if process.returncode:
        raise Failed(f"the training ended with exit code {process.returncode}: {last}")


def _measure(step, pid, model_dir, start):
    """Return what a process uses at a step; "processor_seconds" stands for the rates."""
    pids = processes.family(pid)
    now = processes.used(pids)
    size, files = on_disk(model_dir)
    return {
        "step": step,
        "seconds": time.monotonic() - start,
        "memory_mb": now.memory / MB,
        "open_files": now.open_files,
        "threads": now.threads,
        "processes": len(pids),
        "disk_mb": size / MB,
        "files": files,
        "processor_seconds": now.seconds,
    }


def _with_rates(now, before):
    """Return a row: a measurement, with the times of a step since the one before."""
    steps = now["step"] - before["step"]
    processor = now["processor_seconds"] - before["processor_seconds"]
    row = {name: value for name, value in now.items() if name in COLUMNS}
    row["ms_per_step"] = 1000 * (now["seconds"] - before["seconds"]) / steps
    row["processor_ms_per_step"] = 1000 * processor / steps
    return row


# -- judge -----------------------------------------------------------------------------------------


def judge(rows, steps):
    """Compare the last window of a run with its first.

    Args:
      rows: list of dict of COLUMNS.
      steps: int, of the whole run.

    Returns:
      list of (line to print, whether it stayed within its limit), one for each Quantity.
    """
    windows = []
    for low, high in WINDOWS:
        windows.append([row for row in rows if low * steps <= row["step"] <= high * steps])
    lines = []
    for column, name, statistic, limit in QUANTITIES:
        first, last = (statistic([row[column] for row in window]) for window in windows)
        ratio = last / first
        flat = ratio <= limit
        verdict = "flat" if flat else "NOT FLAT"
        change = f"{first:>9.2f} -> {last:>9.2f}  x {ratio:.3f}, at most {limit:.2f}"
        lines.append((f"{name:<30}{change}  {verdict}", flat))
    return lines


def draw(rows, path):
    """Plot PANELS over the steps, as PNG."""
    steps = [row["step"] for row in rows]
    with plot.figure_of(path, 1000, dpi=100) as figure:
        for axes, (column, label) in zip(figure.subplots(len(PANELS), sharex=True), PANELS):
            values = [row[column] for row in rows]
            axes.plot(steps, values, color=plot.BLUE, linewidth=1)
            axes.set_ylim(0, 1.1 * max(values))  # from 0, else noise would look like growth
            axes.set_ylabel(label)
            for low, high in WINDOWS:
                first, last = low * steps[-1], high * steps[-1]
                axes.axvspan(first, last, color=plot.GREY, alpha=0.15, linewidth=0)
        axes.set_xlabel("step (grey: the windows that are compared)")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        figure.suptitle(f"One process over {steps[-1]:,} steps")


# -- command ---------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message):
        self.exit(2, f"endurance: {message}\n")


def main():
    arguments = _parse()
    path = os.path.join(arguments.out, "endurance.csv")
    try:
        os.makedirs(arguments.out, exist_ok=True)
        table = open(path, "w", newline="", encoding="utf-8", buffering=1)
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); choose another folder"
        return _fail(f"--out={arguments.out}: {reason}", 2)
    with table:
        rows = _train(arguments.steps, table)
    draw(rows, os.path.join(arguments.out, "endurance.png"))
    steps = arguments.steps
    spans = [f"{low * steps:,.0f} to {high * steps:,.0f}" for low, high in WINDOWS]
    print(f"steps {' -> '.join(spans)} of {steps:,}, {rows[-1]['seconds']:.0f} s")
    lines = judge(rows, steps)
    print("\n".join(line for line, _ in lines))
    return 0 if all(flat for _, flat in lines) else 1


def _parse():
    """Return the arguments of the command line."""
    text = "Train a tiny network for long and check that nothing grows."
    parser = Parser(prog="python -m tests.endurance", description=text)
    text = "folder for endurance.csv and endurance.png; created if missing"
    parser.add_argument("--out", required=True, help=text)
    parser.add_argument("--steps", type=int, default=100_000, help="default 100,000")
    arguments = parser.parse_args()
    if arguments.steps < LEAST_STEPS:
        parser.error(f"--steps={arguments.steps} must be at least {LEAST_STEPS}")
    if not os.path.exists("/proc/self/stat"):
        parser.error("this system has no /proc; run it on Linux")
    return arguments


def _train(steps, table):
    """Train and write a row for each measurement to an open CSV file; return the rows."""
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = []
    with tempfile.TemporaryDirectory(prefix="endurance") as folder:
        make_data(folder)
        model_dir = os.path.join(folder, "run")
        watched = watch(command(folder, model_dir, steps), model_dir)
        # Closing it ends the training before the folder is removed.
        with console.bar(steps, unit="step") as bar, contextlib.closing(watched):
            for row in watched:
                rows.append(row)
                writer.writerow({name: _shown(value) for name, value in row.items()})
                bar.update(row["step"] - bar.n)
    return rows


def _shown(value):
    return value if isinstance(value, int) else f"{value:.4f}"


def _fail(message, code):
    """Print an error; return the exit code."""
    print(f"endurance: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as error:
        sys.exit(_fail(error, 2))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted", 130))
