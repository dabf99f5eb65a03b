"""Train a tiny run for 100,000 steps in a process of its own, and watch from outside (/proc, the disk) whether anything grows.

    python -m tests.endurance --out=DIR [--steps=100000]

It writes DIR/endurance.csv and DIR/endurance.png and ends with 0 where all is flat, 1 where something grew, 2 where it could not run.
"""

import argparse
import collections
import contextlib
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from mtl.cli import common
from mtl.data import npz
from mtl.data.examples import Examples
from mtl.reports import plot

COLUMNS = (
    "step", "seconds", "memory_mb", "open_files", "threads", "processes", "disk_mb", "files", "ms_per_step", "processor_ms_per_step",
)  # fmt: skip
# What must not grow: column, name to print, statistic of the rows of a tenth, most that the last may be of the first. A median passes over
# the rows in which a checkpoint was being written; the mean of the same column is the step with all that stands between steps.
QUANTITIES = (
    ("memory_mb", "memory, MB", statistics.median, 1.05),
    ("open_files", "open files", statistics.median, 1.0),
    ("threads", "threads", statistics.median, 1.0),
    ("processes", "processes", statistics.median, 1.0),
    ("disk_mb", "disk, MB", statistics.median, 1.01),
    ("files", "files on disk", statistics.median, 1.0),
    ("ms_per_step", "step, ms, median", statistics.median, 1.1),
    ("ms_per_step", "the same with evaluations and checkpoints, mean", statistics.mean, 1.1),
    # Flat where a step is not: something else kept the machine busy.
    ("processor_ms_per_step", "processor time of a step, ms, mean", statistics.mean, 1.1),
)
WINDOWS = (
    (0.05, 0.15),
    (0.9, 1.0),
)  # of the steps: the first tenth after the warm-up, and the last
ROWS = 1000
EVALUATIONS = 100
LEAST_STEPS = 100  # each window then has ten rows
MB = 2**20


# -- what is looked at ----------------------------------------------------------------------------------------------------------------


def family(pid):
    """List a process and all that it started, int each."""
    children = collections.defaultdict(list)
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                # The name of the program, in brackets, may hold anything: what follows its last bracket is state and parent.
                children[int(file.read().rpartition(")")[2].split()[1])].append(int(name))
        except (OSError, IndexError):
            pass  # it ended in between
    found = [pid]
    for each in found:
        found += children[each]
    return found


def of_processes(pids):
    """Add up what processes hold: (bytes of memory, open files, threads, seconds of processor time)."""
    memory, opened, threads, ticks = 0, 0, 0, 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()  # from the third of `man 5 proc` on
            opened += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue  # a child that ended in between
        memory += int(fields[21]) * os.sysconf(
            "SC_PAGE_SIZE"
        )  # the kernel counts a few hundred KB late
        threads += int(fields[17])
        ticks += int(fields[11]) + int(fields[12])
    return memory, opened, threads, ticks / os.sysconf("SC_CLK_TCK")


def on_disk(directory):
    """Add up the files below a directory: (bytes, how many). Event files are there to grow: each evaluation draws a picture into them."""
    sizes = []
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                sizes.append(
                    0 if name.startswith("events.") else os.stat(os.path.join(folder, name)).st_size
                )
            except FileNotFoundError:
                pass  # a checkpoint made place for a newer one
    return sum(sizes), len(sizes)


# -- the run --------------------------------------------------------------------------------------------------------------------------


def make_data(directory):
    """Write train.npz and validation.npz: 64 and 8 pictures of coarse patches, each with a number."""
    patches = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3), np.uint8)
    images = patches.repeat(16, axis=1).repeat(16, axis=2)
    numbers = [str(i * i) for i in range(64)]
    npz.save(os.path.join(directory, "train.npz"), Examples(images, numbers, numbers))
    npz.save(
        os.path.join(directory, "validation.npz"), Examples(images[:8], numbers[:8], numbers[:8])
    )


def command(data_dir, model_dir, steps):
    """Return the command line of the run, list of str."""
    flags = {
        "model_dir": model_dir, "dataset": "npz", "data_dir": data_dir, "bottom": "mlp", "batch_size": 2, "steps": steps,
        "save_every": max(1, steps // EVALUATIONS), "log_every": max(1, steps // ROWS), "verbosity": 1,
    }  # fmt: skip
    return [
        sys.executable,
        "-m",
        "mtl",
        "train",
        *[f"--{name}={value}" for name, value in flags.items()],
    ]


def watch(arguments, model_dir):
    """Run a training and yield a row, dict of COLUMNS, at each progress line but the first, which has no step before it.

    Raises:
      Failed: the training did; the message ends in its last line.
    """
    last, before, start = "it said nothing", None, time.monotonic()
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            for line in process.stderr:
                found, last = re.match(r"step (\d+)/", line), line.strip()
                if found:
                    step, now, pids = int(found[1]), time.monotonic(), family(process.pid)
                    memory, opened, threads, processor = of_processes(pids)
                    size, files = on_disk(model_dir)
                    if before:
                        steps = step - before[0]
                        times = [
                            1000 * (now - before[1]) / steps,
                            1000 * (processor - before[2]) / steps,
                        ]
                        row = [
                            step,
                            now - start,
                            memory / MB,
                            opened,
                            threads,
                            len(pids),
                            size / MB,
                            files,
                            *times,
                        ]
                        yield dict(zip(COLUMNS, row, strict=True))
                    before = step, now, processor
        finally:
            process.terminate()  # where the watching ends early, the run shall not go on alone; a run that has ended does not notice
    if process.returncode:
        raise Failed(f"the training ended with {process.returncode}: {last}")


# -- what came of it ------------------------------------------------------------------------------------------------------------------


def judge(rows, steps):
    """Hold the last tenth of a run against its first.

    Args:
      rows: list of dict of COLUMNS.
      steps: int, of the whole run.

    Returns:
      list of (line to print, bool: it did not grow beyond its bound), one a quantity.
    """
    windows = [
        [row for row in rows if low * steps <= row["step"] <= high * steps] for low, high in WINDOWS
    ]
    lines = []
    for column, name, statistic, most in QUANTITIES:
        first, last = (statistic([row[column] for row in window]) for window in windows)
        ratio = last / first
        flat = ratio <= most
        verdict = "flat" if flat else "NOT FLAT"
        lines.append(
            (
                f"{name:<50}{first:>9.2f} -> {last:>9.2f}  x {ratio:.3f}, at most {most:.2f}  {verdict}",
                flat,
            )
        )
    return lines


def draw(rows, path):
    """Draw memory, open files, ms a step and disk over the steps, as PNG."""
    with plot._figure(path, 1000, 1000) as figure:
        steps = [row["step"] for row in rows]
        panels = (
            ("memory_mb", "memory, MB"),
            ("open_files", "open files"),
            ("ms_per_step", "ms a step"),
            ("disk_mb", "disk, MB"),
        )
        for axes, (column, label) in zip(
            figure.subplots(len(panels), sharex=True), panels, strict=True
        ):
            values = [row[column] for row in rows]
            axes.plot(steps, values, color=plot._BLUE, linewidth=1)
            axes.set_ylim(
                0, 1.1 * max(values)
            )  # from 0, else a thousandth would look like a mountain
            axes.set_ylabel(label)
            for low, high in WINDOWS:
                axes.axvspan(
                    low * steps[-1], high * steps[-1], color=plot._GREY, alpha=0.15, linewidth=0
                )
        axes.set_xlabel("step (grey: the tenths that are compared)")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        figure.suptitle(f"One process over {steps[-1]:,} steps")


class Failed(Exception):
    """The training came to nothing."""


class Parser(argparse.ArgumentParser):
    def error(self, message):  # argparse's own would show the usage, too
        self.exit(2, f"endurance: {message}\n")


def main():
    parser = Parser(
        prog="python -m tests.endurance",
        description="Train a tiny run for long and see whether anything grows.",
    )
    parser.add_argument(
        "--out",
        required=True,
        help="the folder to write endurance.csv and endurance.png to; made where it is missing",
    )
    parser.add_argument(
        "--steps", type=int, default=100_000, help="of the training (default 100,000)"
    )
    arguments = parser.parse_args()
    if arguments.steps < LEAST_STEPS:
        parser.error(f"--steps={arguments.steps}: {LEAST_STEPS} at least")
    if not os.path.exists("/proc/self/stat"):
        parser.error("a process can be watched on Linux alone, there is no /proc here")
    try:
        os.makedirs(arguments.out, exist_ok=True)
        table = open(
            os.path.join(arguments.out, "endurance.csv"),
            "w",
            newline="",
            encoding="utf-8",
            buffering=1,
        )
    except OSError as error:
        parser.error(f"--out={arguments.out}: {error.strerror}")
    rows = []
    with (
        table,
        tempfile.TemporaryDirectory(prefix="endurance") as folder,
        common.bar(arguments.steps, unit="step") as bar,
    ):
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        make_data(folder)
        model_dir = os.path.join(folder, "run")
        # Closed, and with it the training, before the folder is removed, whatever happens.
        with contextlib.closing(
            watch(command(folder, model_dir, arguments.steps), model_dir)
        ) as watched:
            for row in watched:
                rows.append(row)
                writer.writerow(
                    {
                        name: value if isinstance(value, int) else f"{value:.4f}"
                        for name, value in row.items()
                    }
                )
                bar.update(row["step"] - bar.n)
    draw(rows, os.path.join(arguments.out, "endurance.png"))
    (low, high), (last_low, last_high) = [
        [f"{share * arguments.steps:,.0f}" for share in window] for window in WINDOWS
    ]
    print(
        f"steps {low} to {high} -> {last_low} to {last_high} of {arguments.steps:,}, {rows[-1]['seconds']:.0f} s"
    )
    lines = judge(rows, arguments.steps)
    print("\n".join(line for line, _ in lines))
    return 0 if all(flat for _, flat in lines) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as error:
        print(f"endurance: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("endurance: interrupted", file=sys.stderr)
        sys.exit(130)
