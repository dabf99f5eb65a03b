"""The plots of every report.

matplotlib is optional, so it is imported only to draw. pyplot is not used: it would keep every
figure in memory.
"""

import contextlib
import itertools
import math
import textwrap
from collections.abc import Iterator
from typing import Any

from mtl.reports.rows import is_matrix
from mtl.runs import files
from mtl.tasks import DIGITS

# From the palette of Okabe and Ito, which people with colour blindness can distinguish. Orange is
# darker than theirs, so that it is visible on white. In dark mode the page inverts the plots.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
# Colour and marker of a task. The next six tasks have the same, with dashed lines.
_STYLES = (
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
_CONFUSION_DPI = 100  # matrices need more space; the page scrolls their plot
_MATRICES = 6  # in the plot; the page has all tables
_COUNTED = 15  # classes of a matrix whose cells are large enough for their counts
_NAME = 24  # characters of the name of a task
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
def figure_of(path: str, height: int, dpi: int = _DPI) -> Iterator[Any]:
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


def title(what: str, report) -> str:
    """Return the title of a plot: its subject and the evaluation."""
    return "\n".join([what, *textwrap.wrap(report.title, _LINE)])


# -- confusion -------------------------------------------------------------------------------------


def confusion(report, path: str) -> None:
    """Draw the confusion matrices of the first six tasks that have one.

    The number in a cell counts examples. The colour shows their share of the true class.

    Args:
      report: tables.Report.
      path: the PNG to write.

    Raises:
      ImportError: matplotlib is missing.
    """
    names = matrices(report)[:_MATRICES]
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    with figure_of(path, 100 + 460 * rows * (3 - columns), _CONFUSION_DPI) as figure:
        all_axes = figure.subplots(rows, columns, squeeze=False).flat
        for axes, name in itertools.zip_longest(all_axes, names):
            if name is None:
                axes.set_visible(False)
            else:
                _confusion_of_task(axes, name, report)
        figure.suptitle(title("predicted classes of each true class", report))


def matrices(report) -> list[str]:
    """Return the tasks in focus that have a confusion matrix."""
    return [task.name for task in report.focus if is_matrix(report.tables[task.name])]


def _confusion_of_task(axes, task, report):
    rows = report.tables[task]
    names = [row["true"] for row in rows]
    counts = [[row[name] for name in names] for row in rows]
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    axes.pcolormesh(shares, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="#dddddd", linewidth=0.5)
    axes.invert_yaxis()  # the first class on top, as in the table
    axes.set_aspect("equal")
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            if count and len(names) <= _COUNTED:  # zeros would hide the other numbers
                _cell(axes, x, y, count, shares[y][x])
    correct, total = sum(counts[i][i] for i in range(len(names))), sum(map(sum, counts))
    share = f", {correct / total:.1%}" if total else ""
    axes.set_title(f"{short(task)}: {correct:,} of {total:,} correct{share}")
    centres = [i + 0.5 for i in range(len(names))]
    axes.set_xticks(centres, names)
    axes.set_yticks(centres, names)
    axes.tick_params(length=0, labelsize=10 if len(names) <= _COUNTED else 7)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"predicted class{_meaning(task, report)}")
    axes.set_ylabel("true class")


def _meaning(task, report):
    """Return what the class X of a task of the answer means."""
    if not report.numbers:
        return ""
    return f" (X: {f'more than {DIGITS}' if task == 'length' else 'no digit'})"


def short(name: str) -> str:
    """Return the name of a task, cut to the space in a plot."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}\u2026"


def _cell(axes, x, y, count, share):
    size = 9 if count < 1000 else 7
    colour = "white" if share > 0.6 else "black"
    axes.text(x + 0.5, y + 0.5, count, ha="center", va="center", size=size, color=colour)


# -- training --------------------------------------------------------------------------------------


def curves(report, path: str) -> None:
    """Draw the validation metrics over the training steps. Arguments as `confusion`."""
    curves = report.focus_curves
    steps = [row["step"] for row in curves.rows]
    with figure_of(path, 600 * (1 + len(curves.groups))) as figure:
        # One column: the same step is at the same position in all plots.
        top, *others = figure.subplots(1 + len(curves.groups), 1, sharex=True)
        for axes in (top, *others):
            axes.axvline(
                report.metrics["step"],
                color=GREY,
                linestyle=":",
                linewidth=1.2,
                label="step of this report",
            )
            axes.grid(color=GREY, alpha=0.2)
        values = scaled(curves.rows, curves.main.name, _factor(curves.main))
        top.plot(steps, values, color=BLUE, marker="o", linewidth=2, label=curves.main.header)
        top.set_ylabel(curves.main.header + (", %" if _factor(curves.main) == 100 else ""))
        for axes, group in zip(others, curves.groups):
            _task_curves(axes, steps, report, group)
        others[-1].set_ylim(bottom=0)  # losses
        others[-1].set_xlabel("training step")
        _legends(figure, (top, *others), len(report.focus))
        figure.suptitle("validation during training")


def _legends(figure, all_axes, count):
    """Draw a legend in each plot; of many tasks a single one below, where it covers no curve."""
    if count <= len(_STYLES):
        for axes in all_axes:
            axes.legend(frameon=False, fontsize=9)
        return
    lines = all_axes[-1].get_legend_handles_labels()  # the losses have all tasks
    figure.legend(*lines, loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _factor(column):
    return 100 if column.spec.endswith("%") else 1


def _task_curves(axes, steps, report, group):
    """Draw one line for each task of a curves.Group; a task has one style in all groups."""
    indices = {task.name: index for index, task in enumerate(report.focus)}
    for column in group.tasks:
        index = indices[column.header]
        colour, marker = _STYLES[index % len(_STYLES)]
        axes.plot(
            steps,
            scaled(report.curves.rows, column.name, _factor(column)),
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.3,
            linestyle="-" if index < len(_STYLES) else "--",
            label=short(column.header),
        )
    axes.set_ylabel(group.axis)


def scaled(rows, column: str, factor: float) -> list[float]:
    """Return a column times a factor, with NaN, which leaves a gap, for None."""
    return [math.nan if row[column] is None else factor * row[column] for row in rows]
