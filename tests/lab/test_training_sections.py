"""Learning curves, weights and gradients on the page of a comparison."""

import pytest

from mtl.lab import summary, training_sections
from tests.lab import made
from tests.lab.test_sections import parsed


def test_learning_curves_show_each_variant_beside_the_reference():
    results = made.seeds(("linear", [0.5, 0.6]), ("log_sum", [0.75, 0.7]))
    results = [
        each._replace(evaluations=[made.evaluation(2, 0.1, 0.1, 1.0), *each.evaluations])
        for each in results
    ]
    found = parsed(training_sections.training(summary.make(results)))
    assert [each.text for each in found.all("figcaption")] == ["linear", "log_sum"]
    curves = [len(each.all("polyline")) for each in found.all("figure")]
    assert curves == [1, 2]
    assert "The dashed line is linear" in found.text


def test_the_charts_show_the_whole_bands_but_the_wide_ones(monkeypatch):
    limits = []

    def curves(series, spec, alt, given):
        limits.append(given)
        return ""

    monkeypatch.setattr(training_sections.charts, "curves", curves)
    scores = {"linear": [0.5, 0.51], "log_sum": [0.6, 0.62], "geometric": [0.4, 0.9]}
    found = summary.make(made.seeds(*scores.items()))
    training_sections.training(found)
    # Student's t is 12.706 for two seeds, so half an interval is 6.353 times their difference.
    low, high = 0.505 - 6.353 * 0.01, 0.65 + 6.353 * 0.02
    assert limits == [pytest.approx((min(low, 0.65 - 6.353 * 0.02), high), rel=1e-3)] * 3


def test_without_a_result_there_is_no_curve():
    results = [each._replace(ended=made.DIVERGED) for each in made.seeds(("linear", [0.5]))]
    assert "No variant has a curve" in training_sections.training(summary.make(results))


def test_weights_are_shown_only_where_a_run_reports_them():
    comparison = summary.make(made.seeds(("linear", [0.5]), ("log_sum", [0.75])))
    assert training_sections.weights(comparison) == ""
    results = made.seeds(("linear", [0.5]), ("log_sum", [0.75]))
    monitor = {"weights": {"a": 1.0, "h": 3.0}, "norms": {"a": 2.0}, "cosines": {"a h": -0.5}}
    best = results[1].best._replace(**monitor)
    results[1] = results[1]._replace(best=best, evaluations=[best])
    found = parsed(training_sections.weights(summary.make(results)))
    assert [each.text for each in found.all("figcaption")] == ["log_sum"]
    assert [each.text for each in found.one("ul").all("li")] == ["a", "h"]
    norms, cosines = found.all("table")
    assert norms.rows() == [["variant", "a"], ["log_sum", "2"]]
    assert cosines.rows() == [["variant", "a h"], ["log_sum", "-0.500"]]


def test_the_chart_shows_negative_weights():
    results = made.seeds(("linear", [0.5]))
    before = made.evaluation(2, 0.25, 0.25, 1.0, weights={"a": -1.0, "h": 1.0})
    best = results[0].best._replace(weights={"a": 1.0, "h": 1.0})
    results[0] = results[0]._replace(best=best, evaluations=[before, best])
    found = parsed(training_sections.weights(summary.make(results)))
    assert "-50%" in [each.text for each in found.all("text")]
    line = found.all("polyline", class_="c0 curve")[-1].attributes["points"]
    heights = [float(point.split(",")[1]) for point in line.split()]
    assert heights[0] > heights[1]
