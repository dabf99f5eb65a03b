"""Plots of a report's rows. matplotlib is an extra, so it is imported where it is used; no pyplot, which keeps every figure."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from mtl import tasks
from mtl.runs import files

# Of Okabe and Ito's palette, which people tell apart however they see colours.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"
_TASKS = (
    ("#000000", "o"),
    ("#0072B2", "s"),
    ("#D55E00", "^"),
    ("#009E73", "D"),
    ("#CC79A7", "v"),
    ("#E69F00", "P"),
)  # colour, marker
_DPI = 100


@contextlib.contextmanager
def _figure(path: str, width: int, height: int) -> Iterator[Any]:
    """Yield a matplotlib Figure of width x height pixels, and save it as PNG, whole or not at all."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A person's own matplotlibrc may ask for LaTeX, or for other sizes than these plots are made for.
    with matplotlib.rc_context(), files.whole(path) as unfinished:
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.size": 11,
                "axes.titlesize": 12,
                "axes.spines.top": False,
                "axes.spines.right": False,
            }
        )
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(unfinished, format="png")


def confusion(report, path: str) -> None:
    """Draw the confusion of every task: a cell's colour is its share of the true class, its number how many examples.

    Args:
      report: report.Report.
      path: str, the PNG to write.

    Raises:
      ImportError: matplotlib is missing.
    """
    with _figure(path, 1000, 1480) as figure:
        for axes, task in zip(figure.subplots(3, 2).flat, tasks.NUMBER_TASKS):
            rows = report.confusion[task.name]
            names = [row["true"] for row in rows]
            counts = [[row[name] for name in names] for row in rows]
            shares = [[count / max(sum(row), 1) for count in row] for row in counts]
            axes.pcolormesh(
                shares, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#dddddd", linewidth=0.5
            )
            axes.invert_yaxis()  # the first class on top, as in the table
            axes.set_aspect("equal")
            for y, row in enumerate(counts):
                for x, count in enumerate(row):
                    if count:  # a zero in most cells would hide the others
                        colour = "white" if shares[y][x] > 0.6 else "black"
                        axes.text(
                            x + 0.5,
                            y + 0.5,
                            count,
                            ha="center",
                            va="center",
                            size=9 if count < 1000 else 7,
                            color=colour,
                        )
            right, total = sum(counts[i][i] for i in range(len(names))), sum(map(sum, counts))
            axes.set_title(
                f"{task.name}: {right:,} of {total:,} right"
                + (f", {right / total:.1%}" if total else "")
            )
            centres = [i + 0.5 for i in range(len(names))]
            axes.set_xticks(centres, names)
            axes.set_yticks(centres, names)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_xlabel(
                f"class read (X: {f'more than {tasks.DIGITS}' if task.name == 'length' else 'no digit there'})"
            )
            axes.set_ylabel("true class")
        figure.suptitle(f"{_title(report)}: class read for each true class")


def accuracy_by_length(report, path: str) -> None:
    """Draw the share of numbers read right for each true length, with its 95% interval; arguments as `confusion`."""
    with _figure(path, 1000, 560) as figure:
        axes = figure.subplots()
        rows = report.lengths
        for x, row in enumerate(rows):
            if row["examples"]:
                share, low, high = (
                    100 * row[column] for column in ("accuracy", "low_95", "high_95")
                )
                axes.bar(x, share, width=0.62, color=_BLUE, alpha=0.35)
                axes.errorbar(
                    x, share, yerr=[[share - low], [high - share]], fmt="o", color=_BLUE, capsize=5
                )
                axes.text(
                    x + 0.06,
                    min(share + 1.5, 101.0),
                    f"{share:.1f}",
                    color="black",
                    size=10,
                    va="bottom",
                )
        axes.set_xticks(
            range(len(rows)), [f"{row['length']}\nn = {row['examples']:,}" for row in rows]
        )
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_ylim(0, 108)
        axes.set_yticks(range(0, 101, 20))
        axes.set_xlabel(
            f"true length in digits (X: more than {tasks.DIGITS}), and how many examples have it"
        )
        axes.set_ylabel("numbers read right, % (bars: 95% interval)")
        axes.set_title(f"{_title(report)}: accuracy by length")


def coverage(report, path: str) -> None:
    """Draw accuracy against coverage (Goodfellow et al. 2013), with 98% and where the curve last reaches it; arguments as `confusion`."""
    with _figure(path, 1000, 560) as figure:
        axes = figure.subplots()
        covered = [100 * row["coverage"] for row in report.coverage]
        accuracies = [100 * row["accuracy"] for row in report.coverage]
        axes.axhline(98, color=_ORANGE, linestyle="--", linewidth=1.2)
        axes.plot(
            covered, accuracies, color=_BLUE, linewidth=2, marker="." if len(covered) < 40 else ""
        )
        at_98 = report.metrics["coverage_at_98"]
        text = f"98% right at {at_98:.2%} coverage" if at_98 else "98% right at no coverage"
        place = [100 * at_98] if at_98 else []
        axes.plot(
            place,
            [98] * len(place),
            color=_ORANGE,
            marker="o",
            linestyle="--",
            linewidth=1.2,
            label=text,
        )
        axes.legend(loc="lower left", frameon=False)  # a curve that falls leaves this corner free
        lowest = min(accuracies, default=0.0)
        axes.set_ylim(max(0.0, min(90.0, 10 * math.floor(lowest / 10))), 100.8)
        axes.set_xlim(0, 100.8)
        axes.grid(color=_GREY, alpha=0.2)
        axes.set_xlabel("coverage: share of numbers answered, the most confident first, %")
        axes.set_ylabel("accuracy of those answered, %")
        axes.set_title(f"{_title(report)}: accuracy against coverage")


def curves(report, path: str) -> None:
    """Draw validation over the training steps: sequence accuracy, accuracy and cross entropy of each task; arguments as `confusion`."""
    steps = [row["step"] for row in report.curves]
    with _figure(path, 1000, 1000) as figure:
        places = figure.subplot_mosaic([["sequence", "sequence"], ["accuracy", "cross_entropy"]])
        for name, axes in places.items():
            axes.axvline(
                report.metrics["step"],
                color=_GREY,
                linestyle=":",
                linewidth=1.2,
                label="the step measured here",
            )
            axes.grid(color=_GREY, alpha=0.2)
            axes.set_xlabel("training step")
            for task, (colour, marker) in (
                zip(tasks.NUMBER_TASKS, _TASKS) if name != "sequence" else []
            ):
                values = _scaled(
                    report.curves, f"{name}_{task.name}", 1 if name == "cross_entropy" else 100
                )
                axes.plot(
                    steps,
                    values,
                    color=colour,
                    marker=marker,
                    markersize=5,
                    linewidth=1.3,
                    label=task.name,
                )
        sequence = _scaled(report.curves, "sequence_accuracy", 100)
        places["sequence"].plot(
            steps, sequence, color=_BLUE, marker="o", linewidth=2, label="sequence accuracy"
        )
        places["sequence"].set_ylabel("sequence accuracy, %")
        places["accuracy"].set_ylabel("accuracy of each task, %")
        places["cross_entropy"].set_ylabel("cross entropy of each task, nats")
        places["cross_entropy"].set_ylim(bottom=0)
        for axes in places.values():
            axes.legend(frameon=False, fontsize=9)
        figure.suptitle("validation while the network was trained")


def _scaled(rows, column, factor):
    """Return a column times a factor; NaN, which leaves a gap, where a row has nothing."""
    return [math.nan if row[column] is None else factor * row[column] for row in rows]


def _title(report):
    """Name what was measured, as `mtl evaluate` heads its table."""
    head = report.metrics
    return f"{head['dataset']}, {head['split']}, step {head['step']}"
