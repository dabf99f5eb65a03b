"""The sections of the page of a comparison about the training: curves, weights and gradients."""

import statistics

from mtl.lab import charts, curves
from mtl.lab.sections import figure
from mtl.lab.summary import Comparison, score_spec
from mtl.reports.page import Html, escape, table


def training(comparison: Comparison) -> Html:
    """Return a chart of the learning curve of each variant, beside that of the reference."""
    name, spec = score_spec(comparison)
    found = {variant.label: curves.scores(variant) for variant in comparison.variants}
    means = [mean for points in found.values() for _, mean in points]
    if not means:
        return Html("<p>No variant has a curve.</p>")
    limits = _limits(means)
    figures = []
    for variant, reference in zip(comparison.variants, comparison.references):
        points, others = found[variant.label], found[reference.label]
        if not points:
            continue
        series = [_band(points)]
        if others and reference is not variant:
            series.insert(0, charts.Series([(x, y.mean) for x, y in others], "other"))
        alt = f"{name} of {variant.label} over the training steps, from {points[0][1].mean:{spec}} "
        alt += f"to {points[-1][1].mean:{spec}}"
        figures.append(figure(variant.label, charts.curves(series, spec, alt, limits)))
    text = (
        f"The {escape(name)} on validation over the training steps: mean over the seeds, and its "
        "95% interval as a band (cut where it leaves the chart). The dashed line is "
        f"<b>{escape(comparison.reference)}</b>."
    )
    return Html(f'<p>{text}</p>\n<div class="charts">{"".join(figures)}</div>')


def _limits(means):
    """Return the ends of the charts, at which bands wider than the median one are cut."""
    halves = [mean.half or 0.0 for mean in means]
    widest = statistics.median(halves)
    ends = [(mean.mean, min(half, widest)) for mean, half in zip(means, halves)]
    return min(y - half for y, half in ends), max(y + half for y, half in ends)


def _band(points):
    values = [(step, mean.mean) for step, mean in points]
    return charts.Series(values, charts.style_of(1), [mean.half for _, mean in points])


def weights(comparison: Comparison) -> Html:
    """Return a chart of the weights of each variant, and tables of gradients; "" without any."""
    names = [task.name for task in comparison.tasks]
    by_variant = [(variant, curves.weights(variant)) for variant in comparison.variants]
    limits = _range(found for _, found in by_variant)
    figures = []
    for variant, found in by_variant:
        series = []
        for index, task in enumerate(names):
            if task in found:
                series.append(charts.Series(found[task], charts.style_of(index)))
        if series:
            alt = f"Share of each task in the sum of the weights of {variant.label}, over the steps"
            chart = charts.curves(series, ".0%", alt, limits)
            figures.append(figure(variant.label, chart))
    parts = []
    if figures:
        text = (
            "The weight of a task multiplies the gradient of its mean loss. Shown is its share of "
            "the sum of the absolute weights at each evaluation, the mean over the seeds."
        )
        charted = f'<div class="charts">{"".join(figures)}</div>'
        parts += [f"<p>{text}</p>", charts.legend(names), charted]
    parts += _monitored(comparison, "norms", "Mean gradient norm of each task", ".3g")
    parts += _monitored(comparison, "cosines", "Mean cosine between two gradients", "+.3f")
    return Html("\n".join(parts))


def _range(of_variants):
    """Return the least and the largest share in the results of curves.weights, with 0 between.

    A share is negative if an objective turns the gradient of a task around.
    """
    values = [0.0]
    for found in of_variants:
        for points in found.values():
            values += [share for _, share in points]
    return min(values), max(values)


def _monitored(comparison, name, caption, spec):
    """Return a table of what the runs report about their gradients, as a list."""
    found = [(variant, curves.monitored(variant, name)) for variant in comparison.variants]
    keys = list(dict.fromkeys(key for _, values in found for key in values))
    if not keys:
        return []
    rows = [(each.label, *[values.get(key) for key in keys]) for each, values in found if values]
    columns = [("variant", ""), *[(key, spec) for key in keys]]
    return [table(columns, rows, f"{caption} at the shared bottom, over all steps")]
