"""What only the page of your own tasks has: its header and the HTML of its sections."""

import collections
import itertools

from mtl import kinds
from mtl.evaluation import by_task
from mtl.reports.page import escape, formatted, table
from mtl.reports.sections import mistake_images, part_of, shortened, task_name, values

MAX_FACTS = 7  # tasks in the header
ERRORS, MISTAKES = "Errors", "Worst predictions"  # headings
REMARK = ""  # on confusion matrices


# -- header ----------------------------------------------------------------------------------------


def lead(report):
    """Return the exact match in large type, if the tasks have one."""
    head = report.metrics
    share, count = head["exact_match"], head["exact_match_examples"]
    if share is None:
        return ""
    text = f"exact match: {round(share * count):,} of {count:,} examples are correct in every task"
    low, high = head["exact_match_95"]
    interval = f"95% interval {low:.2%} to {high:.2%} (Wilson)"
    return f"<strong>{share:.2%}</strong> <span>{text}<br><b>{interval}</b></span>"


def facts(report):
    """Return the cost and, of a few tasks, their scores, dict name -> HTML."""
    found = {
        "tasks": f"{len(report.tasks):,}",
        "cost on hard labels": formatted(report.metrics["cost"], ".4f"),
    }
    if len(report.tasks) > MAX_FACTS:
        return found
    for task in report.tasks:
        kind = kinds.find(task.kind)
        value = report.metrics["tasks"][task.name][kind.SCORE]
        name = f"{escape(task_name(task.name))}: {by_task.words(kind.SCORE)}"
        found[name] = formatted(value, kind.METRICS[kind.SCORE])
    return found


# -- sections --------------------------------------------------------------------------------------


def only(report, plots):
    """Return no sections: all of them are shared with numbers."""
    return []


def per_task(report):
    """Return the tables of the tasks, one for each kind."""
    parts = [
        "<p>The metrics of each task over the examples that are labelled for it. The interval of "
        "an accuracy is Wilson's, at 95%.</p>"
    ]
    for kind in by_task.tables(report.metrics, report.tasks):
        columns = {by_task.words(name): spec for name, spec in kind.formats.items()}
        metrics = [by_task.words(name) for name in kind.metrics]
        rows = [[task_name(name), *rest] for name, *rest in values(kind.rows)]
        parts.append(table(columns, rows, f"Each task: {', '.join(metrics)}"))
    return "\n".join(parts)


def mistakes(report, images):
    """Return the rows of report.shown; images: list of data: URIs, empty for feature vectors."""
    if not report.mistakes:
        labelled = any(values["examples"] for values in report.metrics["tasks"].values())
        return f"<p>There are no {'mistakes' if labelled else 'labelled examples'}.</p>"
    rows = [report.mistakes[i] for i in report.shown]
    counts = collections.Counter(row["task"] for row in report.mistakes)
    shown = collections.Counter(row["task"] for row in rows)
    where = "lists more" if len(rows) < len(report.mistakes) else "has the same rows"
    parts = [
        "<p>The predictions of each task with the largest loss. A task whose predictions can be "
        "exactly correct lists only the wrong ones. "
        f'<a href="mistakes.csv">mistakes.csv</a> {where}.</p>'
    ]
    parts += part_of(len(shown), len(counts), "mistakes.csv has all")
    exact = {task.name: kinds.find(task.kind).EXACT for task in report.tasks}
    for name, group in itertools.groupby(enumerate(rows), key=_task_of):
        indices, of_task = zip(*group)
        heading = escape(task_name(name))
        count = f"{shown[name]} of {counts[name]:,} wrong predictions"
        text = count if exact[name] else f"the {shown[name]} largest errors"
        parts.append(f"<h3>{heading}: {text}</h3>")
        if images:
            parts.append(mistake_images(of_task, [images[i] for i in indices]))
        else:
            parts.append(_without_images(name, of_task))
    return "\n".join(parts)


def _task_of(numbered):
    return numbered[1]["task"]


def _without_images(name, rows):
    columns = {"name": "", "true": "", "predicted": "", "loss": ".4f"}
    cells = [[shortened(row["name"]), row["true"], row["predicted"], row["loss"]] for row in rows]
    return table(columns, cells, f"Predictions of {task_name(name)} with the largest loss")
