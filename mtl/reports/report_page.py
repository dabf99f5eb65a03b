"""The page of a report, index.html: metrics, tables, plots, mistakes, and how to repeat the report.

It shows the numbers of the CSV files beside it. The page is self-contained.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtl.evaluation import metrics
from mtl.reports import sections
from mtl.reports.page import document, escape
from mtl.reports.sections import percent, shortened

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "report_page.css")


class Run(NamedTuple):
    """A description of a network and its evaluation. An empty field means unknown."""

    name: str = ""  # the value of --model_dir
    flags: str = ""  # the text of flags.flags
    trained: Mapping[str, Any] = {}  # versions.json: versions and machine of the training
    here: Mapping[str, Any] = {}  # the same of this evaluation
    evaluate: str = ""  # the command that repeats this report
    train: str = ""  # the command that repeats the training
    troubles: Sequence[str] = ()  # sentences about missing or damaged files of the run directory


UNKNOWN = Run()


def html(
    report, run: Run, plots: Mapping[str, str], mistakes: Sequence[str], beside: Sequence[str]
) -> str:
    """Return the page, a whole HTML document.

    Args:
      report: tables.Report.
      run: the run.
      plots: dict name of a function of mtl.reports.plot -> data: URI; empty without matplotlib.
      mistakes: data: URIs of the images of the first rows of report.mistakes.
      beside: names of the files beside the page.
    """
    title = f"{shortened(run.name)} on {report.title}" if run.name else report.title
    parts = [
        ("tasks", "Tasks", sections.per_task(report.metrics)),
        ("lengths", "Accuracy by length", sections.by_length(report, plots)),
        ("confidence", "Accuracy and coverage", sections.by_confidence(report, plots)),
        ("reliability", "Confidence and accuracy", sections.reliability(report, plots)),
        ("confusion", "Confusion", sections.confusion(report, plots)),
        ("mistakes", "Most confident mistakes", sections.mistakes(report, mistakes)),
        ("training", "Training", sections.training(report, plots)),
        ("run", "Flags and environment", sections.environment(run)),
        ("again", "Reproduce", sections.reproduce(run, beside)),
    ]
    links = [f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in parts]
    body = [
        '<a class="skip" href="#content">Skip to the content</a>',
        f"<header>\n<h1>{escape(title)}</h1>\n{_result(report)}\n</header>",
        f'<nav aria-label="Sections"><ul>{"".join(links)}</ul></nav>',
        '<main id="content">',
    ]
    for name, heading, content in parts:
        body.append(f'<section id="{name}" aria-labelledby="{name}-heading">')
        body.append(f'<h2 id="{name}-heading">{heading}</h2>\n{content}\n</section>')
    body.append("</main>")
    with open(STYLE, encoding="utf-8") as file:
        return document(f"mtl report: {title}", "\n".join(body), style=file.read())


def _result(report):
    """Return the sequence accuracy in large type, and the other metrics in a grid."""
    head = report.metrics
    count = head["examples"]
    facts = {
        "dataset": escape(head["dataset"]),
        "split": escape(head["split"]),
        "step": f"{head['step']:,}",
        "examples": f"{count:,}",
        "character accuracy": percent(head["character_accuracy"]),
        "coverage at 98%": percent(head["coverage_at_98"]),
        "calibration error": _error(report.calibration_error),
        "cost on hard labels": percent(None) if head["cost"] is None else f"{head['cost']:.4f}",
        "wrong numbers": f"{len(report.mistakes):,}",
    }
    shown = [f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()]
    return f'<p class="lead">{_lead(report, count)}</p>\n<dl class="facts">{"".join(shown)}</dl>'


def _error(value):
    return percent(None) if value is None else f"{value:.3f}"


def _lead(report, count):
    if not count:
        return "<span>The dataset has no examples, so there are no metrics.</span>"
    correct = sum(row["correct"] for row in report.lengths)
    low, high = metrics.interval(correct, count)
    text = f"sequence accuracy: {correct:,} of {count:,} numbers have the correct length and digits"
    interval = f"95% interval {low:.2%} to {high:.2%} (Wilson)"
    return f"<strong>{correct / count:.2%}</strong> <span>{text}<br><b>{interval}</b></span>"
