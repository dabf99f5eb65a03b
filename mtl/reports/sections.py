"""The sections of the page of a report. Each public function returns the HTML of one section."""

import functools
import math

from mtl import tasks
from mtl.reports import page
from mtl.reports.page import escape, table

MAX_CHARACTERS = 120  # of a name or a label; those of a dataset may be longer
MAX_ROWS = 40  # evaluations in the tables of the training section; curves.csv has all
PLOT_CURE = (
    "Plots need matplotlib: pip install 'mtl[plot]', then repeat the command at the end of this "
    "page."
)
NAMES = [task.name for task in tasks.NUMBER_TASKS]


def per_task(result):
    """Return the table of the tasks; result: the object that `mtl evaluate --json` prints."""
    rows = []
    for name, accuracy in result["task_accuracy"].items():
        rows.append((name, accuracy, result["task_cross_entropy"][name]))
    text = (
        "The accuracy of the most likely class of each task alone. The predicted number may have "
        "other classes, because it is the most likely number given all six tasks."
    )
    columns = {"task": "", "accuracy": ".2%", "cross entropy, nats": ".4f"}
    return f"<p>{text}</p>\n{table(columns, rows, 'Accuracy and cross entropy of each task')}"


# -- accuracy --------------------------------------------------------------------------------------


def by_length(report, plots):
    """Return the plot and the table of the accuracy by true length."""
    columns = {
        "true length": "",
        "examples": ",d",
        "correct": ",d",
        "accuracy": ".2%",
        "from": ".2%",
        "to": ".2%",
        "mean confidence": ".3f",
        "most frequent wrong length": "",
        "times": ",d",
    }
    caption = "Sequence accuracy by true length, with its 95% interval (from, to)"
    text = (
        f"X is more than {tasks.DIGITS} digits. Such a number is correct if it is predicted as X."
    )
    plot = _plot(plots, "accuracy_by_length", "Accuracy by length, with 95% intervals")
    return f"<p>{text}</p>\n{plot}\n{table(columns, _values(report.lengths), caption)}"


def by_confidence(report, plots):
    """Return the plot and the table of accuracy against coverage."""
    at_98 = report.metrics["coverage_at_98"]
    if at_98:
        reached = f"98% of the answers are correct at {percent(at_98)} coverage"
    else:
        reached = "no coverage reaches 98% correct answers"
    columns = {
        "confidence at least": ".4f",
        "answered": ",d",
        "correct": ",d",
        "coverage": ".2%",
        "accuracy": ".2%",
    }
    rows = _values(_tenths(report.coverage, at_98))
    shown = table(columns, rows, "Accuracy of the answers at about each tenth of the coverage")
    text = (
        "Numbers below a confidence threshold get no answer. Coverage is the share of numbers that "
        f"are answered. Here {reached}."
    )
    plot = _plot(plots, "coverage", f"Accuracy against coverage: {reached}")
    return f"<p>{text}</p>\n{plot}\n{shown}"


def _tenths(rows, at_98):
    """Return the first row to reach each tenth of the coverage, and the last at 98% accuracy."""
    shown, reached = [], 0
    for row in rows:
        tenth = int(10 * row["coverage"] + 1e-9)
        if tenth > reached or row["coverage"] == at_98:
            shown.append(row)
            reached = tenth
    return shown


def reliability(report, plots):
    """Return the plot and the table of accuracy against confidence."""
    columns = {
        "confidence from": ".1f",
        "below": ".1f",
        "examples": ",d",
        "correct": ",d",
        "mean confidence": ".3f",
        "accuracy": ".3f",
    }
    error = report.calibration_error
    shown = page.NOTHING if error is None else f"{error:.3f}"
    used, best = report.temperatures
    text = (
        "The confidence of a calibrated network is the share of correct numbers: of the numbers "
        "with a confidence of about 0.8, 80% are correct. The expected calibration error is the "
        "mean difference between accuracy and mean confidence over the bins, weighted by their "
        f"examples. Here it is {shown}, at temperature {used:g}. The temperature divides the log "
        "probabilities of each task; the run fits it on its validation examples. On the examples "
        f"of this report, {best:g} would fit best."
    )
    caption = "Accuracy in ten bins of the confidence"
    plot = _plot(plots, "reliability", "Accuracy against confidence, in ten bins")
    return f"<p>{text}</p>\n{plot}\n{table(columns, _values(report.reliability), caption)}"


# -- mistakes --------------------------------------------------------------------------------------


def confusion(report, plots):
    """Return the confusion tables, coloured by share, and the plot."""
    text = (
        "Rows are true classes, columns are predicted classes, and each cell counts examples. The "
        "colour shows the share of the row. Bold counts are correct. X means no digit, or more "
        f"than {tasks.DIGITS} digits for a length. The decoded length is the length of the "
        "predicted number."
    )
    # The order puts the two tables of lengths side by side.
    names = dict.fromkeys(["length", "decoded_length", *report.confusion])
    shown = "\n".join(_confusion(name, report.confusion[name]) for name in names)
    alt = "Confusion of each task; the tables have the same numbers"
    plot = _plot(plots, "confusion", alt)
    details = f"<details><summary>As one image</summary>{plot}</details>"
    return f'<p>{text}</p>\n<div class="confusion">\n{shown}\n</div>\n{details}'


def _confusion(name, rows):
    columns = dict.fromkeys(rows[0], ",d")
    columns["true"] = ""
    counts = [list(row.values())[1:] for row in rows]
    correct, total = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    caption = f"{name.replace('_', ' ')}: {correct:,} of {total:,} correct"
    return table(columns, _values(rows), caption, mark=functools.partial(_mark, counts))


def _mark(counts, y, x):
    """Return the CSS classes of a cell: hit on the diagonal, s1 to s10 for its share of the row."""
    if not x:
        return ""
    count = counts[y][x - 1]
    share = f"s{math.ceil(10 * (count / sum(counts[y])))}" if count else "none"
    return f"hit {share}" if x - 1 == y else share


def mistakes(report, images):
    """Return the images of the first mistakes; images: list of data: URIs."""
    if not report.mistakes:
        what = "mistakes" if report.metrics["examples"] else "examples"
        return f"<p>There are no {what}.</p>"
    items = "\n".join(map(_mistake, report.mistakes, images))
    count = len(report.mistakes)
    shown = f"All {count:,}"
    if len(images) < count:
        shown = f"The {len(images)} most confident of {count:,}"
    text = (
        f"{shown} wrong numbers, the most confident first. "
        '<a href="mistakes.csv">mistakes.csv</a> lists all.'
    )
    return f'<p>{text}</p>\n<ol class="mistakes">\n{items}\n</ol>'


def _mistake(row, image):
    name, true, predicted = [
        escape(shortened(row[column])) for column in ("name", "true", "predicted")
    ]
    confidence = "unknown" if row["confidence"] is None else f"{row['confidence']:.3f}"
    alt = f"Image {name}: true {true}, predicted {predicted}, confidence {confidence}"
    text = f"true <b>{true}</b><br>predicted <b>{predicted}</b><br>confidence {confidence}"
    return (
        f'<li><img width="64" height="64" alt="{alt}" src="{image}">{text}'
        f'<div class="quiet">{name}</div></li>'
    )


# -- the run ---------------------------------------------------------------------------------------


def training(report, plots):
    """Return the plot and the tables of the evaluations during training."""
    if not report.curves:
        return "<p>The run directory has no evaluations (metrics.jsonl), so no curves.</p>"
    last = len(report.curves) - 1
    every = math.ceil(len(report.curves) / MAX_ROWS)
    rows = [row for i, row in enumerate(report.curves) if (last - i) % every == 0]
    text = (
        "Metrics on validation during training, measured at temperature 1. The cost is on hard "
        "labels. The progress line of mtl train shows the cost on the labels of training, which "
        "may be smoothed, so the two differ."
    )
    if every > 1:
        text += f" The tables show one of {every} evaluations; curves.csv has all."
    alt = "Validation during training: sequence accuracy, accuracy and cross entropy of each task"
    accuracies = {"step": "step", "sequence": "sequence_accuracy"}
    accuracies |= {name: f"accuracy_{name}" for name in NAMES}
    losses = {"step": "step", "cost": "cost"}
    losses |= {name: f"cross_entropy_{name}" for name in NAMES}
    parts = [
        f"<p>{text}</p>",
        _plot(plots, "curves", alt),
        _curves(rows, accuracies, ".2%", "Accuracy on validation at each step"),
        _curves(rows, losses, ".4f", "Cost and cross entropy in nats on validation at each step"),
    ]
    return "\n".join(parts)


def _curves(rows, columns, spec, caption):
    """Return a table of some columns; columns: dict header -> column of report.curves."""
    formats = dict.fromkeys(columns, spec)
    formats["step"] = ",d"
    values = [[row[column] for column in columns.values()] for row in rows]
    return table(formats, values, caption)


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


def percent(value):
    """Return a share as a percentage, and None as a dash."""
    return page.NOTHING if value is None else f"{value:.2%}"


def shortened(text):
    """Return a text, cut to MAX_CHARACTERS."""
    text = str(text)
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[: MAX_CHARACTERS - 1] + "\u2026"


def _values(rows):
    return [list(row.values()) for row in rows]


def _plot(plots, name, alt):
    if name not in plots:
        return f"<p>{escape(PLOT_CURE)}</p>"
    alt = escape(alt)
    return (
        f'<div class="plot" role="region" aria-label="Plot: {alt}" tabindex="0">'
        f'<img alt="{alt}" src="{plots[name]}"></div>'
    )
