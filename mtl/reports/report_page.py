"""The page of a report, index.html: what was measured on what, how well, where it errs, and how to do it again. Free of TensorFlow.

All numbers are those of the CSV files beside it; plots and mistakes lie in it as data, so that the page may be sent alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtl import tasks
from mtl.evaluation import metrics
from mtl.reports.page import Html, document, escape, table

LONGEST = 120  # characters that are shown of a name or a label: a file may hold any
ROWS = 40  # evaluations that are shown of a run; curves.csv has all
PLOT_CURE = "Plots need matplotlib: pip install 'mtl[plot]', then repeat the command at the end of this page."
FIRST = ("length", "decoded_length")  # the confusions side by side
STYLE = """
.lead { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.5rem; margin: 1.25rem 0 .5rem; max-width: none; }
.lead strong { font-size: clamp(2.75rem, 9vw, 4rem); line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px; overflow: hidden; margin: 1.25rem 0;
  background: var(--line); border: 1px solid var(--line); border-radius: var(--round); }
.facts div { padding: .6rem .9rem; background: var(--card); }
.facts dt { color: var(--quiet); font-size: .875rem; }
.facts dd { margin: 0; font-size: 1.125rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.plot { overflow-x: auto; margin-bottom: 1rem; }
.plot img { min-width: 40rem; }
.confusion { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1rem 2rem; }
.confusion > * { min-width: 0; }
.confusion th, .confusion td { padding: .2rem .3rem; border: 0; min-width: 2rem; font-size: .875rem; text-align: right; }
.confusion th { padding-left: 0; }
.none { color: var(--quiet); }
.hit { font-weight: 650; }
SHARES
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1.25rem 1rem; padding: 0; list-style: none; }
.mistakes li { min-width: 0; font-variant-numeric: tabular-nums; line-height: 1.4; }
.mistakes img { width: 128px; height: 128px; image-rendering: pixelated; border-radius: 4px; display: block; margin-bottom: .25rem; }
.mistakes .quiet { font-size: .75rem; overflow-wrap: anywhere; }
.flags { columns: 17rem; }
pre { word-break: break-all; }
@media (max-width: 40rem) {
  .facts { grid-template-columns: repeat(2, 1fr); }
  .confusion th, .confusion td { padding: .15rem .2rem; min-width: 1.55rem; font-size: .75rem; }
}
@media print { .plot img { min-width: 0; } details:not([open]) { display: none; } }
""".replace(
    "SHARES",
    "\n".join(
        f".s{i} {{ background: color-mix(in srgb, var(--accent) {5 * i}%, transparent); }}"
        for i in range(1, 11)
    ),
)


class Run(NamedTuple):
    """What is known of the network and its evaluation beside the numbers; what is empty is said to be unknown."""

    name: str = ""  # what --model_dir said
    flags: str = ""  # the text of flags.flags
    trained: Mapping[str, Any] = {}  # versions.json: what it was trained with
    here: Mapping[str, Any] = {}  # the same of this evaluation
    evaluate: str = ""  # the command that makes this report again
    train: str = ""  # the command that makes the network again
    troubles: Sequence[str] = ()  # sentences about what of the run directory is missing or damaged


UNKNOWN = Run()


def html(
    report, run: Run, plots: Mapping[str, str], pictures: Sequence[str], beside: Sequence[str]
) -> str:
    """Make the page.

    Args:
      report: report.Report.
      run: Run.
      plots: dict name of a function of mtl.reports.plot -> data: URI; what is missing was not drawn, for want of matplotlib.
      pictures: data: URIs of the surest mistakes, in their order, as many as are to be shown.
      beside: names of the files that lie beside the page.

    Returns:
      str, a whole document.
    """
    head = report.metrics
    what = f"{head['dataset']}, {head['split']}, step {head['step']}"
    title = f"{_cut(run.name)} on {what}" if run.name else what
    sections = [
        ("tasks", "Each task", _tasks(head)),
        ("lengths", "By length", _lengths(report, plots)),
        ("confidence", "By confidence", _confidence(report, plots)),
        ("confusion", "Confusion", _confusion(report, plots)),
        ("mistakes", "Surest mistakes", _mistakes(report, pictures)),
        ("training", "Training", _training(report, plots)),
        ("run", "Flags and environment", _run(run)),
        ("again", "Reproduce", _again(run, beside)),
    ]
    links = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in sections)
    body = [
        '<a class="skip" href="#content">Skip to the content</a>',
        f"<header>\n<h1>{escape(title)}</h1>\n{_result(report)}\n</header>",
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main id="content">',
        *(
            f'<section id="{name}" aria-labelledby="{name}-heading">\n<h2 id="{name}-heading">{heading}</h2>\n{content}\n</section>'
            for name, heading, content in sections
        ),
        "</main>",
    ]
    return document(f"mtl report: {title}", "\n".join(body), style=STYLE)


def _result(report):
    head, n = report.metrics, report.metrics["examples"]
    right = sum(row["right"] for row in report.lengths)
    bounds = metrics.interval(right, n)
    if bounds:
        text = (
            f"sequence accuracy: {right:,} of {n:,} numbers read right, the length and every digit"
        )
        interval = f"95% interval {bounds[0]:.2%} to {bounds[1]:.2%} (Wilson)"
        lead = f"<strong>{right / n:.2%}</strong> <span>{text}<br><b>{interval}</b></span>"
    else:
        lead = "<span>The data set holds no examples: there is nothing to measure.</span>"
    facts = {
        "data set": escape(head["dataset"]),
        "split": escape(head["split"]),
        "step": f"{head['step']:,}",
        "examples": f"{n:,}",
        "character accuracy": _share(head["character_accuracy"]),
        "coverage at 98%": _share(head["coverage_at_98"]),
        "cost": "\u2013" if head["cost"] is None else f"{head['cost']:.4f}",
        "numbers read wrong": f"{len(report.mistakes):,}",
    }
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<p class="lead">{lead}</p>\n<dl class="facts">{shown}</dl>'


def _tasks(head):
    rows = [
        (name, head["task_accuracy"][name], head["task_cross_entropy"][name])
        for name in head["task_accuracy"]
    ]
    text = "The likeliest class of each task alone. The number that is read may differ from those: it is the likeliest of all six together."
    columns = {"task": "", "accuracy": ".2%", "cross entropy, nats": ".4f"}
    return f"<p>{text}</p>\n" + table(columns, rows, "Accuracy and cross entropy of each task")


def _lengths(report, plots):
    columns = {
        "true length": "",
        "examples": ",d",
        "right": ",d",
        "accuracy": ".2%",
        "from": ".2%",
        "to": ".2%",
    }
    columns |= {"mean confidence": ".3f", "most frequent wrong length": "", "times": ",d"}
    caption = "Numbers read right, by true length, with the 95% interval from and to"
    shown = table(columns, [list(row.values()) for row in report.lengths], caption)
    text = f"X is more than {tasks.DIGITS} digits; such a number counts as right where it is recognised as such."
    return f"<p>{text}</p>\n{_plot(plots, 'accuracy_by_length', 'Accuracy by length, with 95% intervals')}\n{shown}"


def _confidence(report, plots):
    at_98 = report.metrics["coverage_at_98"]
    rows = []
    for row in report.coverage:  # the first to reach each tenth, and where 98% is reached last
        if (
            int(10 * row["coverage"] + 1e-9)
            > int(10 * (rows[-1]["coverage"] if rows else 0.0) + 1e-9)
            or row["coverage"] == at_98
        ):
            rows.append(row)
    columns = {
        "confidence at least": ".4f",
        "answered": ",d",
        "right": ",d",
        "coverage": ".2%",
        "accuracy": ".2%",
    }
    shown = table(
        columns,
        [list(row.values()) for row in rows],
        "Accuracy of the numbers answered, at about each tenth of coverage",
    )
    reached = (
        f"98% of the answers are right where {_share(at_98)} are answered"
        if at_98
        else "98% right is reached at no coverage"
    )
    text = f"If only the most confident numbers are answered, more of the answers are right: {reached}."
    return f"<p>{text}</p>\n{_plot(plots, 'coverage', f'Accuracy against coverage: {reached}')}\n{shown}"


def _confusion(report, plots):
    shown = []
    for name in dict.fromkeys([*FIRST, *report.confusion]):
        rows = report.confusion[name]
        counts = [[count for column, count in row.items() if column != "true"] for row in rows]
        right, total = sum(row[y] for y, row in enumerate(counts)), sum(map(sum, counts))

        def mark(y, x, counts=counts):
            if not x:
                return ""
            share = counts[y][x - 1] / max(sum(counts[y]), 1)
            return " ".join(
                ["hit"] * (x - 1 == y) + [f"s{-int(-10 * share // 1)}" if share else "none"]
            )

        columns = {"true": "", **{column: ",d" for column in rows[0] if column != "true"}}
        caption = f"{name.replace('_', ' ')}: {right:,} of {total:,} right"
        shown.append(table(columns, [list(row.values()) for row in rows], caption, mark=mark))
    text = "A row is a true class, a column the class read, a cell how many examples: the larger its share of the row, the stronger its "
    text += f"colour. Bold is right. X is no digit there; as a length, more than {tasks.DIGITS}. The decoded length is the number's."
    picture = _plot(plots, "confusion", "Confusion of each task; the tables hold the same numbers")
    shown = "\n".join(shown)
    return f'<p>{text}</p>\n<div class="confusion">\n{shown}\n</div>\n<details><summary>As one picture</summary>{picture}</details>'


def _mistakes(report, pictures):
    if not report.mistakes:
        return (
            "<p>There are no mistakes.</p>"
            if report.metrics["examples"]
            else "<p>There are no examples.</p>"
        )
    items = []
    for row, picture in zip(report.mistakes, pictures):
        name, true, read = (
            escape(_cut(row[column])) or Html("none") for column in ("name", "true", "predicted")
        )
        confidence = "unknown" if row["confidence"] is None else f"{row['confidence']:.3f}"
        alt = f"Picture {name}: true {true}, read {read}, confidence {confidence}"
        text = f"true <b>{true}</b><br>read <b>{read}</b><br>confidence {confidence}"
        items.append(
            f'<li><img width="64" height="64" alt="{alt}" src="{picture}">{text}<div class="quiet">{name}</div></li>'
        )
    shown = (
        f"The {len(items)} surest of {len(report.mistakes):,}"
        if len(items) < len(report.mistakes)
        else f"All {len(items):,}"
    )
    text = f"{shown} numbers read wrong, the surest first. \u201cnone\u201d is no digits, X more than {tasks.DIGITS}. "
    text += 'All stand in <a href="mistakes.csv">mistakes.csv</a>.'
    listed = "\n".join(items)
    return f'<p>{text}</p>\n<ol class="mistakes">\n{listed}\n</ol>'


def _training(report, plots):
    if not report.curves:
        return "<p>The run directory tells of no evaluations while it was trained (metrics.jsonl), so there are no curves.</p>"
    every = -(-len(report.curves) // ROWS)
    rows = [row for i, row in enumerate(report.curves) if (len(report.curves) - 1 - i) % every == 0]
    text = "Measured on the validation examples while the network was trained."
    text += (
        f" The tables show one of {every} evaluations; all stand in curves.csv."
        if every > 1
        else ""
    )
    alt = "Validation over the training steps: sequence accuracy, then accuracy and cross entropy of each task"
    parts = [f"<p>{text}</p>", _plot(plots, "curves", alt)]
    names = [task.name for task in tasks.NUMBER_TASKS]
    columns = {"step": ",d", "sequence": ".2%", **dict.fromkeys(names, ".2%")}
    values = [
        [row["step"], row["sequence_accuracy"], *(row[f"accuracy_{name}"] for name in names)]
        for row in rows
    ]
    parts.append(
        table(columns, values, "Validation accuracy at each step, of the sequence and of each task")
    )
    columns = {"step": ",d", "cost": ".4f", **dict.fromkeys(names, ".4f")}
    values = [
        [row["step"], row["cost"], *(row[f"cross_entropy_{name}"] for name in names)]
        for row in rows
    ]
    parts.append(
        table(
            columns, values, "Validation cost, and cross entropy of each task in nats, at each step"
        )
    )
    return "\n".join(parts)


def _run(run):
    parts = [f"<p>{escape(trouble)}</p>" for trouble in run.troubles]
    flags = (
        f'<pre class="flags">{escape(run.flags.strip())}</pre>' if run.flags else "<p>Unknown.</p>"
    )
    parts += ["<h3>Flags of the run</h3>", flags, "<h3>Environment</h3>"]
    rows = []
    for name in dict.fromkeys([*run.here, *run.trained]):
        trained, here = (
            _cut(each[name]) if name in each else None for each in (run.trained, run.here)
        )
        rows.append(
            (
                _cut(name),
                trained,
                here,
                None if None in (trained, here) else "yes" if trained == here else "no",
            )
        )
    columns = {"name": "", "as trained": "", "this evaluation": "", "same": ""}
    caption = "Versions and machine, as the network was trained and of this evaluation"
    parts.append(table(columns, rows, caption) if rows else "<p>Unknown.</p>")
    return "\n".join(parts)


def _again(run, beside):
    parts = [("This report", run.evaluate), ("The network, anew", run.train)]
    shown = [f"<h3>{name}</h3>\n<pre>{escape(command)}</pre>" for name, command in parts if command]
    links = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in beside)
    return "\n".join([*shown, f"<h3>Files beside this page</h3>\n<p>{links}</p>"])


def _plot(plots, name, alt):
    if name not in plots:
        return f"<p>{escape(PLOT_CURE)}</p>"
    alt = escape(alt)
    return f'<div class="plot" role="region" aria-label="Plot: {alt}" tabindex="0"><img alt="{alt}" src="{plots[name]}"></div>'


def _share(value):
    return "\u2013" if value is None else f"{value:.2%}"


def _cut(text):
    text = str(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "\u2026"
