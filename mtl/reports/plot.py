"""The plots of a report.

matplotlib is optional, so it is imported only to draw. pyplot is not used: it would keep every
figure in memory.
"""

import contextlib
import math
import textwrap
from collections.abc import Iterator
from typing import Any

from mtl import tasks
from mtl.evaluation import metrics
from mtl.runs import files

# From the palette of Okabe and Ito, which people with colour blindness can distinguish. Orange is
# darker than theirs, so that it is visible on white. In dark mode the page inverts the plots.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"
# Colour and marker of each task.
_TASKS = (
    ("#000000", "o"),
    ("#0072B2", "s"),
    ("#D55E00", "^"),
    ("#009E73", "D"),
    ("#CC79A7", "v"),
    ("#B37700", "P"),
)
WIDTH = 1000  # pixels
# The text is large for the width, because a phone shows 1000 pixels as about 350.
_DPI = 180
_CONFUSION_DPI = 100  # six matrices need more space; the page scrolls their plot
_PAD = 0.08  # inches, around and between the parts of a plot
_LINE = 58  # characters of a title
_SETTINGS = {
    "font.size": 10,
    "axes.titlesize": 11,
    "figure.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextlib.contextmanager
def _figure(path: str, height: int, dpi: int = _DPI) -> Iterator[Any]:
    """Yield a Figure of WIDTH x height pixels, then save it as a PNG file atomically."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Ignore the user's matplotlibrc, which may need LaTeX or set other sizes.
    with matplotlib.rc_context(), files.whole(path) as unfinished:
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(WIDTH / dpi, height / dpi), dpi=dpi, layout="constrained")
        figure.get_layout_engine().set(w_pad=_PAD, h_pad=_PAD)
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(unfinished, format="png")


def _title(what, report):
    """Return the title of a plot: its subject and the evaluation."""
    return "\n".join([what, *textwrap.wrap(report.title, _LINE)])


# -- confusion -------------------------------------------------------------------------------------


def confusion(report, path: str) -> None:
    """Draw the confusion matrix of each task.

    The number in a cell counts examples. The colour shows their share of the true class.

    Args:
      report: tables.Report.
      path: the PNG to write.

    Raises:
      ImportError: matplotlib is missing.
    """
    with _figure(path, 1480, _CONFUSION_DPI) as figure:
        for axes, task in zip(figure.subplots(3, 2).flat, tasks.NUMBER_TASKS):
            _confusion_of_task(axes, task.name, report.confusion[task.name])
        figure.suptitle(_title("predicted classes of each true class", report))


def _confusion_of_task(axes, task, rows):
    names = [row["true"] for row in rows]
    counts = [[row[name] for name in names] for row in rows]
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    axes.pcolormesh(shares, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#dddddd", linewidth=0.5)
    axes.invert_yaxis()  # the first class on top, as in the table
    axes.set_aspect("equal")
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            if count:  # zeros would hide the other numbers
                _cell(axes, x, y, count, shares[y][x])
    correct, total = sum(counts[i][i] for i in range(len(names))), sum(map(sum, counts))
    share = f", {correct / total:.1%}" if total else ""
    axes.set_title(f"{task}: {correct:,} of {total:,} correct{share}")
    centres = [i + 0.5 for i in range(len(names))]
    axes.set_xticks(centres, names)
    axes.set_yticks(centres, names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    meaning = f"more than {tasks.DIGITS}" if task == "length" else "no digit"
    axes.set_xlabel(f"predicted class (X: {meaning})")
    axes.set_ylabel("true class")


def _cell(axes, x, y, count, share):
    size = 9 if count < 1000 else 7
    colour = "white" if share > 0.6 else "black"
    axes.text(x + 0.5, y + 0.5, count, ha="center", va="center", size=size, color=colour)


# -- accuracy --------------------------------------------------------------------------------------


def accuracy_by_length(report, path: str) -> None:
    """Draw the accuracy of each true length with its 95% interval. Arguments as `confusion`."""
    rows = report.lengths
    with _figure(path, 660) as figure:
        axes = figure.subplots()
        for x, row in enumerate(rows):
            if row["examples"]:
                _bar(axes, x, row)
        labels = [f"{row['length']}\nn = {row['examples']:,}" for row in rows]
        axes.set_xticks(range(len(rows)), labels)
        axes.set_xlim(-0.6, len(rows) - 0.3)
        axes.set_ylim(0, 108)
        axes.set_yticks(range(0, 101, 20))
        axes.set_xlabel(f"true length in digits (X: more than {tasks.DIGITS}), n examples")
        axes.set_ylabel("sequence accuracy, %")
        axes.set_title(_title("accuracy by length, with 95% intervals", report))


def _bar(axes, x, row):
    share, low, high = (100 * row[column] for column in ("accuracy", "low_95", "high_95"))
    axes.bar(x, share, width=0.62, color=_BLUE, alpha=0.35)
    interval = [[share - low], [high - share]]
    axes.errorbar(x, share, yerr=interval, fmt="o", color=_BLUE, capsize=5)
    top = min(share + 1.5, 101.0)
    axes.text(x + 0.06, top, f"{share:.1f}", color="black", size=10, va="bottom")


def coverage(report, path: str) -> None:
    """Draw accuracy against coverage, and the last point at 98% accuracy. Arguments as `confusion`.

    Source: Goodfellow et al. 2013, arXiv:1312.6082, section 3.
    """
    at_98 = report.metrics["coverage_at_98"]
    text, point = "no coverage reaches 98% accuracy", ([], [])
    if at_98:
        text, point = f"98% accuracy at {at_98:.2%} coverage", ([100 * at_98], [98])
    orange = {"color": _ORANGE, "linestyle": "--", "linewidth": 1.2}
    with _figure(path, 660) as figure:
        axes = figure.subplots()
        covered = _scaled(report.coverage, "coverage", 100)
        accuracies = _scaled(report.coverage, "accuracy", 100)
        axes.axhline(98, **orange)
        marker = "." if len(covered) < 40 else ""
        axes.plot(covered, accuracies, color=_BLUE, linewidth=2, marker=marker)
        axes.plot(*point, marker="o", label=text, **orange)
        axes.legend(loc="lower left", frameon=False)  # the curve goes down, so this corner is free
        lowest = 10 * math.floor(min(accuracies, default=0.0) / 10)
        axes.set_ylim(max(0.0, min(90.0, lowest)), 100.8)
        axes.set_xlim(0, 100.8)
        axes.grid(color=_GREY, alpha=0.2)
        axes.set_xlabel("coverage: share of numbers answered, %")
        axes.set_ylabel("accuracy of the answers, %")
        axes.set_title(_title("accuracy against coverage, most confident first", report))


def reliability(report, path: str) -> None:
    """Draw the accuracy in each bin of the confidence, with its 95% interval.

    Arguments as `confusion`. On the dashed diagonal, accuracy equals confidence.

    Source: Guo et al. 2017, arXiv:1706.04599, figure 1.
    """
    error = report.calibration_error
    shown = "" if error is None else f", calibration error {error:.3f}"
    with _figure(path, 660) as figure:
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color=_ORANGE, linestyle="--", linewidth=1.2)
        for row in report.reliability:
            if row["examples"]:
                _reliability_of_bin(axes, row)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 108)
        axes.set_xticks(range(0, 101, 10))
        axes.set_yticks(range(0, 101, 20))
        axes.set_xlabel("confidence, %; above the bars: the number of examples")
        axes.set_ylabel("sequence accuracy, %")
        axes.set_title(_title(f"accuracy against confidence{shown}", report))


def _reliability_of_bin(axes, row):
    """Draw the bar, the interval and the number of examples of a bin."""
    left, right = 100 * row["low"], 100 * row["high"]
    share = 100 * row["accuracy"]
    low, high = (100 * each for each in metrics.interval(row["correct"], row["examples"]))
    axes.bar((left + right) / 2, share, width=0.92 * (right - left), color=_BLUE, alpha=0.35)
    interval = [[share - low], [high - share]]
    axes.errorbar(100 * row["mean_confidence"], share, yerr=interval, fmt="o", color=_BLUE, ms=4)
    axes.text((left + right) / 2, 102.5, f"{row['examples']:,}", ha="center", size=9)


# -- training --------------------------------------------------------------------------------------


def curves(report, path: str) -> None:
    """Draw the validation metrics over the training steps. Arguments as `confusion`."""
    steps = [row["step"] for row in report.curves]
    with _figure(path, 1800) as figure:
        # One column: the same step is at the same position in all three.
        names = ["sequence", "accuracy", "cross_entropy"]
        parts = figure.subplot_mosaic([[name] for name in names], sharex=True)
        for axes in parts.values():
            axes.axvline(
                report.metrics["step"],
                color=_GREY,
                linestyle=":",
                linewidth=1.2,
                label="step of this report",
            )
            axes.grid(color=_GREY, alpha=0.2)
        values = _scaled(report.curves, "sequence_accuracy", 100)
        parts["sequence"].plot(
            steps, values, color=_BLUE, marker="o", linewidth=2, label="sequence accuracy"
        )
        _task_curves(parts["accuracy"], steps, report.curves, "accuracy", 100)
        _task_curves(parts["cross_entropy"], steps, report.curves, "cross_entropy", 1)
        parts["sequence"].set_ylabel("sequence accuracy, %")
        parts["accuracy"].set_ylabel("accuracy of each task, %")
        parts["cross_entropy"].set_ylabel("cross entropy, nats")
        parts["cross_entropy"].set_ylim(bottom=0)
        parts["cross_entropy"].set_xlabel("training step")
        for axes in parts.values():
            axes.legend(frameon=False, fontsize=9)
        figure.suptitle("validation during training")


def _task_curves(axes, steps, rows, metric, factor):
    """Draw one line for each task."""
    for task, (colour, marker) in zip(tasks.NUMBER_TASKS, _TASKS):
        values = _scaled(rows, f"{metric}_{task.name}", factor)
        axes.plot(
            steps,
            values,
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.3,
            label=task.name,
        )


def _scaled(rows, column, factor):
    """Return a column times a factor, with NaN, which leaves a gap, for None."""
    return [math.nan if row[column] is None else factor * row[column] for row in rows]
