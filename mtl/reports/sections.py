"""The sections of the page of a report. Each public function returns the HTML of one section."""

import functools
import math

from mtl.reports import page
from mtl.reports.number_tables import DECODED
from mtl.reports.page import escape, table
from mtl.reports.rows import is_matrix

MAX_CHARACTERS = 120  # of a name or a label; those of a dataset may be longer
MAX_TASK = 40  # characters of the name of a task, so that it does not widen its table
MAX_ROWS = 40  # evaluations in the tables of the training section; curves.csv has all
PLOT_CURE = (
    "Plots need matplotlib: pip install 'mtl[plot]', then repeat the command at the end of this "
    "page."
)


# -- errors ----------------------------------------------------------------------------------------


def errors(report, plots, remark=""):
    """Return the table of the errors of each task, and the plot of the confusion matrices.

    Args:
      report: tables.Report.
      plots: dict name of a plot -> data: URI.
      remark: what else the reader of a confusion matrix needs, plain text.
    """
    shown = report.focus_tables
    parts = part_of(len(shown), len(report.tables), "The CSV files beside this page have all")
    matrices = {name: rows for name, rows in shown.items() if is_matrix(rows)}
    if matrices:
        parts.append(_matrices(matrices, plots, remark))
    for name, rows in shown.items():
        if name not in matrices:
            parts.append(_plain(name, rows))
    return "\n".join(parts)


def _matrices(matrices, plots, remark):
    text = (
        "Rows are true classes, columns are predicted classes, and each cell counts examples. The "
        "colour shows the share of the row. Bold counts are correct."
    )
    names = list(matrices)
    if DECODED in names:  # the order puts the two tables of lengths side by side
        names = list(dict.fromkeys(["length", DECODED, *names]))
    shown = [_confusion(name, matrices[name]) for name in names]
    tables_of = "\n".join(shown)
    alt = "Confusion of each task; the tables have the same numbers"
    details = f"<details><summary>As one image</summary>{plot(plots, 'confusion', alt)}</details>"
    text = f"{text} {remark}".strip()
    return f'<p>{text}</p>\n<div class="confusion">\n{tables_of}\n</div>\n{details}'


def _confusion(name, rows):
    columns = dict.fromkeys(rows[0], ",d")
    columns["true"] = ""
    counts = [list(row.values())[1:] for row in rows]
    correct, total = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    named = name.replace("_", " ") if name == DECODED else task_name(name)
    caption = f"{named}: {correct:,} of {total:,} correct"
    return table(columns, values(rows), caption, mark=functools.partial(_mark, counts))


def _mark(counts, y, x):
    """Return the CSS classes of a cell: hit on the diagonal, s1 to s10 for its share of the row."""
    if not x:
        return ""
    count = counts[y][x - 1]
    share = f"s{math.ceil(10 * (count / sum(counts[y])))}" if count else "none"
    return f"hit {share}" if x - 1 == y else share


def _plain(task, rows):
    """Return the table of a task that has no confusion matrix."""
    task = task_name(task)
    if not rows:
        return f"<p>{escape(task)}: no errors.</p>"
    columns = {name: _spec(name, [row[name] for row in rows]) for name in rows[0]}
    caption = f"Errors of {task}"
    if len(rows) > MAX_ROWS:
        caption += f": the first {MAX_ROWS} of {len(rows):,} rows"
    return table(columns, values(rows[:MAX_ROWS]), caption)


def _spec(name, column):
    """Return the format of a column: counts, shares, other numbers, or text."""
    known = {type(value) for value in column if value is not None}
    if name == "share":
        return ".1%"
    if known == {int}:
        return ",d"
    return ".4g" if known and known <= {int, float} else ""


# -- mistakes --------------------------------------------------------------------------------------


def mistake_images(rows, images):
    """Return rows of mistakes with their images; images: list of data: URIs."""
    items = "\n".join(map(_mistake, rows, images))
    return f'<ol class="mistakes">\n{items}\n</ol>'


def _mistake(row, image):
    name, true, predicted = [
        escape(shortened(row[column])) for column in ("name", "true", "predicted")
    ]
    rank = "confidence" if "confidence" in row else "loss"
    value = "unknown" if row[rank] is None else f"{row[rank]:.3f}"
    alt = f"Image {name}: true {true}, predicted {predicted}, {rank} {value}"
    text = f"true <b>{true}</b><br>predicted <b>{predicted}</b><br>{rank} {value}"
    return (
        f'<li><img width="64" height="64" alt="{alt}" src="{image}">{text}'
        f'<div class="quiet">{name}</div></li>'
    )


# -- the run ---------------------------------------------------------------------------------------


def training(report, plots):
    """Return the plot and the tables of the evaluations during training."""
    curves = report.focus_curves
    if not curves.rows:
        return "<p>The run directory has no evaluations (metrics.jsonl), so no curves.</p>"
    last = len(curves.rows) - 1
    every = math.ceil(len(curves.rows) / MAX_ROWS)
    rows = [row for i, row in enumerate(curves.rows) if (last - i) % every == 0]
    measured = ", measured at temperature 1" if report.numbers else ""
    text = (
        f"Metrics on validation during training{measured}. The cost is on hard "
        "labels. The progress line of mtl train shows the cost on the labels of training, which "
        "may be smoothed, so the two differ."
    )
    if every > 1:
        text += f" The tables show one of {every} evaluations; curves.csv has all."
    metrics = " and ".join(group.metric for group in curves.groups)
    alt = f"Validation during training: {curves.main.header}, {metrics} of each task"
    parts = [f"<p>{text}</p>"]
    parts += part_of(len(report.focus), len(report.tasks), "curves.csv has all")
    parts.append(plot(plots, "curves", alt))
    parts += [_curves(rows, group) for group in curves.groups]
    return "\n".join(parts)


def _curves(rows, group):
    """Return the table of a curves.Group."""
    columns = [*group.totals, *group.tasks]
    # Pairs, because a task may have the name "step" or "cost".
    formats = [("step", ",d"), *[(task_name(column.header), column.spec) for column in columns]]
    cells = [[row["step"], *[row[column.name] for column in columns]] for row in rows]
    return table(formats, cells, group.caption)


def environment(run):
    """Return the flags and the environment; run: report_page.Run."""
    parts = [f"<p>{escape(trouble)}</p>" for trouble in run.troubles]
    flags = versions = "<p>Unknown.</p>"
    if run.flags:
        flags = f'<pre class="flags">{page.words(run.flags.strip())}</pre>'
    rows = [_version(run, name) for name in dict.fromkeys([*run.here, *run.trained])]
    if rows:
        columns = {"name": "", "training": "", "this report": "", "same": ""}
        caption = "Versions and machine of the training and of this report"
        versions = table(columns, rows, caption)
    parts += ["<h3>Flags of the run</h3>", flags, "<h3>Environment</h3>", versions]
    return "\n".join(parts)


def _version(run, name):
    """Return a row: name, value of the training, value here, and whether they are the same."""
    trained = shortened(run.trained[name]) if name in run.trained else None
    here = shortened(run.here[name]) if name in run.here else None
    same = None
    if trained is not None and here is not None:
        same = "yes" if trained == here else "no"
    return shortened(name), trained, here, same


def reproduce(run, beside):
    """Return the commands that repeat the report and the training, and links to the files."""
    parts = []
    for heading, command in [("This report", run.evaluate), ("The training", run.train)]:
        if command:
            parts.append(f"<h3>{heading}</h3>\n<pre>{page.words(command)}</pre>")
    links = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in beside)
    parts.append(f"<h3>Files beside this page</h3>\n<p>{links}</p>")
    return "\n".join(parts)


# -- helpers ---------------------------------------------------------------------------------------


def part_of(count, total, where):
    """Return a sentence, as a list, if a section shows only some tasks."""
    if count == total:
        return []
    return [f"<p>Only the {count} tasks with the lowest score are shown. {where}.</p>"]


def shortened(text, most=MAX_CHARACTERS):
    """Return a text, cut to a number of characters."""
    text = str(text)
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def task_name(name):
    """Return the name of a task, cut to MAX_TASK."""
    return shortened(name, MAX_TASK)


def values(rows):
    """Return the values of rows, one list each."""
    return [list(row.values()) for row in rows]


def plot(plots, name, alt):
    """Return a plot as HTML, or how to get it; plots: dict name -> data: URI."""
    if name not in plots:
        return f"<p>{escape(PLOT_CURE)}</p>"
    alt = escape(alt)
    return (
        f'<div class="plot" role="region" aria-label="Plot: {alt}" tabindex="0">'
        f'<img alt="{alt}" src="{plots[name]}"></div>'
    )
