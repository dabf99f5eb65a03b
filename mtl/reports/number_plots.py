"""The plots that only the report of decoded numbers has."""

import math

from mtl import tasks
from mtl.evaluation import metrics
from mtl.reports.plot import BLUE, GREY, ORANGE, figure_of, scaled, title


def accuracy_by_length(report, path: str) -> None:
    """Draw the accuracy of each true length with its 95% interval. Arguments as plot.confusion."""
    rows = report.numbers.lengths
    with figure_of(path, 660) as figure:
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
        axes.set_title(title("accuracy by length, with 95% intervals", report))


def _bar(axes, x, row):
    share, low, high = (100 * row[column] for column in ("accuracy", "low_95", "high_95"))
    axes.bar(x, share, width=0.62, color=BLUE, alpha=0.35)
    interval = [[share - low], [high - share]]
    axes.errorbar(x, share, yerr=interval, fmt="o", color=BLUE, capsize=5)
    top = min(share + 1.5, 101.0)
    axes.text(x + 0.06, top, f"{share:.1f}", color="black", size=10, va="bottom")


def coverage(report, path: str) -> None:
    """Draw accuracy against coverage, and the last point at 98% accuracy.

    Arguments as plot.confusion.

    Source: Goodfellow et al. 2013, arXiv:1312.6082, section 3.
    """
    at_98 = report.metrics["coverage_at_98"]
    text, point = "no coverage reaches 98% accuracy", ([], [])
    if at_98:
        text, point = f"98% accuracy at {at_98:.2%} coverage", ([100 * at_98], [98])
    orange = {"color": ORANGE, "linestyle": "--", "linewidth": 1.2}
    with figure_of(path, 660) as figure:
        axes = figure.subplots()
        covered = scaled(report.numbers.coverage, "coverage", 100)
        accuracies = scaled(report.numbers.coverage, "accuracy", 100)
        axes.axhline(98, **orange)
        marker = "." if len(covered) < 40 else ""
        axes.plot(covered, accuracies, color=BLUE, linewidth=2, marker=marker)
        axes.plot(*point, marker="o", label=text, **orange)
        axes.legend(loc="lower left", frameon=False)  # the curve goes down, so this corner is free
        lowest = 10 * math.floor(min(accuracies, default=0.0) / 10)
        axes.set_ylim(max(0.0, min(90.0, lowest)), 100.8)
        axes.set_xlim(0, 100.8)
        axes.grid(color=GREY, alpha=0.2)
        axes.set_xlabel("coverage: share of numbers answered, %")
        axes.set_ylabel("accuracy of the answers, %")
        axes.set_title(title("accuracy against coverage, most confident first", report))


def reliability(report, path: str) -> None:
    """Draw the accuracy in each bin of the confidence, with its 95% interval.

    Arguments as plot.confusion. On the dashed diagonal, accuracy equals confidence.

    Source: Guo et al. 2017, arXiv:1706.04599, figure 1.
    """
    error = report.numbers.calibration_error
    shown = "" if error is None else f", calibration error {error:.3f}"
    with figure_of(path, 660) as figure:
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color=ORANGE, linestyle="--", linewidth=1.2)
        for row in report.numbers.reliability:
            if row["examples"]:
                _reliability_of_bin(axes, row)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 108)
        axes.set_xticks(range(0, 101, 10))
        axes.set_yticks(range(0, 101, 20))
        axes.set_xlabel("confidence, %; above the bars: the number of examples")
        axes.set_ylabel("sequence accuracy, %")
        axes.set_title(title(f"accuracy against confidence{shown}", report))


def _reliability_of_bin(axes, row):
    """Draw the bar, the interval and the number of examples of a bin."""
    left, right = 100 * row["low"], 100 * row["high"]
    share = 100 * row["accuracy"]
    low, high = (100 * each for each in metrics.interval(row["correct"], row["examples"]))
    axes.bar((left + right) / 2, share, width=0.92 * (right - left), color=BLUE, alpha=0.35)
    interval = [[share - low], [high - share]]
    axes.errorbar(100 * row["mean_confidence"], share, yerr=interval, fmt="o", color=BLUE, ms=4)
    axes.text((left + right) / 2, 102.5, f"{row['examples']:,}", ha="center", size=9)
