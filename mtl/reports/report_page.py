"""The page of a report, index.html: metrics, tables, plots, mistakes, and how to repeat the report.

It shows the numbers of the CSV files beside it. The page is self-contained.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtl.reports import number_sections, own_sections, sections
from mtl.reports.page import document, escape, sectioned
from mtl.reports.sections import shortened

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
      plots: dict name in report.PLOTS -> data: URI; empty without matplotlib.
      mistakes: data: URIs of the images of report.shown; empty for feature vectors.
      beside: names of the files beside the page.
    """
    title = f"{shortened(run.name)} on {report.title}" if run.name else report.title
    special = number_sections if report.numbers else own_sections
    parts = [
        ("tasks", "Tasks", special.per_task(report)),
        *special.only(report, plots),
        ("confusion", special.ERRORS, sections.errors(report, plots, special.REMARK)),
        ("mistakes", special.MISTAKES, special.mistakes(report, mistakes)),
        ("training", "Training", sections.training(report, plots)),
        ("run", "Flags and environment", sections.environment(run)),
        ("again", "Reproduce", sections.reproduce(run, beside)),
    ]
    body = sectioned(title, _result(report, special), parts)
    with open(STYLE, encoding="utf-8") as file:
        return document(f"mtl report: {title}", body, style=file.read())


def _result(report, special):
    """Return the main metric in large type, and the other metrics in a grid."""
    head = report.metrics
    facts = {
        "dataset": escape(head["dataset"]),
        "split": escape(head["split"]),
        "step": f"{head['step']:,}",
        "examples": f"{head['examples']:,}",
        **special.facts(report),
    }
    shown = [f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()]
    lead = "<span>The dataset has no examples, so there are no metrics.</span>"
    if head["examples"]:
        lead = special.lead(report)
    lead = f'<p class="lead">{lead}</p>' if lead else ""
    return f'{lead}\n<dl class="facts">{"".join(shown)}</dl>'
