"""The sections of the page of a comparison with its results: tables and a chart of the variants."""

from collections.abc import Sequence

from mtl import kinds
from mtl.evaluation import by_task
from mtl.lab import charts
from mtl.lab.statistics import Mean
from mtl.lab.summary import Comparison, Summary, metric_of, score_spec
from mtl.lab.variants import Variant
from mtl.reports.page import NOTHING, Html, escape, table, words

TEXT = "s"  # the format of text that is aligned like a number
_TOTALS = {
    "sequence_accuracy": "sequence accuracy",
    "character_accuracy": "character accuracy",
    "coverage_at_98": "coverage at 98%",
    "exact_match": "exact match",
}


def shown(mean: Mean | None, spec: str, *, signed: bool = False) -> str:
    """Return a mean and half of its interval as text, "91.20% ± 0.41"."""
    if mean is None:
        return NOTHING
    text = format(mean.mean, f"+{spec}" if signed else spec)
    if mean.half is None:
        return text
    # The digits of "g" depend on the size of the number; two are enough for an interval.
    half = format(mean.half, ".2g" if spec.endswith("g") else spec)
    return f"{text} ± {half.rstrip('%')}"


def figure(title: str, chart: Html) -> Html:
    """Return a chart with its title."""
    return Html(f"<figure><figcaption>{escape(title)}</figcaption>\n{chart}</figure>")


def _capital(text):
    """Return a text with a capital letter; the others stay, as in RMSE."""
    return f"{text[:1].upper()}{text[1:]}"


# -- results ---------------------------------------------------------------------------------------


def results(comparison: Comparison) -> Html:
    """Return the scores of the variants, on validation and, if it was evaluated, on test."""
    items = "".join(f"<li>{each}</li>" for each in _method(comparison))
    parts = [f"<ul>{items}</ul>"]
    splits = [("validation", comparison.validation)]
    if comparison.test:
        splits.insert(0, ("test", comparison.test))
    for split, summaries in splits:
        parts += _scores(comparison, split, summaries)
    return Html("\n".join(parts))


def _method(comparison):
    """Return how the figures are computed, sentences as HTML."""
    metrics = dict.fromkeys(by_task.words(metric_of(task)[0]) for task in comparison.tasks)
    delta = (
        f"For Delta-m, add single to {words('--objectives')}: it trains one network for each task."
    )
    if any(variant.is_single for variant in comparison.variants):
        delta = (
            f"Delta-m is the mean over the tasks of the relative difference ({', '.join(metrics)}) "
            "from the single-task networks, seed by seed. Above 0 is better."
        )
    return [
        "Each figure is a mean over seeds, ± half of its 95% interval by Student's t. The interval "
        "covers other seeds, not other data.",
        "A run counts with its best weights on validation, so its figures on validation are "
        "slightly too high.",
        f"The difference is from <b>{escape(comparison.reference)}</b>, seed by seed.",
        delta,
        "The rank of a variant is that of its mean in each task, averaged over the tasks; 1 is "
        "best. A rank hides how small a difference is.",
    ]


def _scores(comparison, split, summaries):
    """Return the chart and the tables of one split, as a list."""
    name, spec = score_spec(comparison)
    pairs = list(zip(comparison.variants, summaries))
    parts = [f"<h3>{split.capitalize()}</h3>"]
    known = [(variant.label, each.score) for variant, each in pairs if each.score]
    if known:
        known.sort(key=lambda row: -row[1].mean)  # stable, so equal ones keep their order
        alt = f"{name} on {split} with its 95% interval, of each variant; the table has the figures"
        title = f"{_capital(name)} on {split}, mean and 95% interval"
        chart = charts.intervals(known, spec, alt)
        parts.append(figure(title, chart))
    rows = [_score_row(variant, summary, spec) for variant, summary in pairs]
    columns = {
        "variant": "",
        name: TEXT,
        "difference": TEXT,
        "Delta-m": TEXT,
        "mean rank": ".2f",
        "seeds": ",d",
    }
    parts.append(table(columns, rows, f"Results on {split}"))
    known = {name for each in summaries for name, mean in each.totals.items() if mean}
    totals = [metric for metric in _TOTALS if metric in known and _TOTALS[metric] != name]
    if totals:
        parts.append(_totals(pairs, totals, split))
    return parts


def _score_row(variant, summary, spec):
    return (
        variant.label,
        shown(summary.score, spec),
        shown(summary.difference, spec, signed=True),
        shown(summary.delta, ".2%", signed=True),
        summary.rank,
        summary.count,
    )


def _totals(pairs, names, split):
    """Return the table of the other metrics of all tasks together."""
    columns = {"variant": "", **{_TOTALS[name]: TEXT for name in names}}
    rows = []
    for variant, summary in pairs:
        values = [shown(summary.totals.get(name), ".2%") for name in names]
        rows.append((variant.label, *values))
    return table(columns, rows, f"Metrics of all tasks together on {split}")


# -- tasks -----------------------------------------------------------------------------------------


def tasks(comparison: Comparison) -> Html:
    """Return a table for each metric of the tasks; rarer metrics are folded."""
    split, summaries = "validation", comparison.validation
    if comparison.test:
        split, summaries = "test", comparison.test
    parts, more = [], []
    by_kind = {}
    for task in comparison.tasks:
        by_kind.setdefault(task.kind, []).append(task)
    for kind, group in by_kind.items():
        which = "each task" if len(by_kind) == 1 else f"each task of kind {kind}"
        for metric, spec in _metrics_of(group[0], summaries).items():
            caption = f"{_capital(by_task.words(metric))} of {which} on {split}"
            made = _of_metric(comparison.variants, summaries, group, metric, spec, caption)
            (parts if metric == metric_of(group[0])[0] else more).append(made)
    if more:
        folded = "\n".join(more)
        parts.append(f"<details>\n<summary>More metrics</summary>\n{folded}\n</details>")
    return Html("\n".join(parts))


def _metrics_of(task, summaries):
    """Return the metrics that a summary has of a task, with their formats."""
    known = {metric for each in summaries for metric in each.tasks.get(task.name, {})}
    formats = kinds.find(task.kind).METRICS
    return {metric: spec for metric, spec in formats.items() if metric in known}


def _of_metric(
    variants: Sequence[Variant], summaries: Sequence[Summary], group, metric, spec, caption
):
    """Return the table of one metric of the tasks of one kind."""
    rows = []
    for variant, summary in zip(variants, summaries):
        means = [summary.tasks.get(task.name, {}).get(metric) for task in group]
        rows.append((variant.label, *[shown(mean, spec) for mean in means]))
    columns = [("variant", ""), *[(task.name, TEXT) for task in group]]
    return table(columns, rows, caption)
