"""mtl.reports.number_plots: accuracy by length, coverage and reliability of numbers."""

import numpy as np
import pytest
from made_plots import COVERAGE, labels_of, report_of

from mtl.reports import number_plots


def test_accuracy_by_length_has_a_bar_and_its_interval(drawn):
    (axes,) = drawn(number_plots.accuracy_by_length, report_of()).axes
    assert labels_of(axes.get_xticklabels()) == ["0\nn = 0", "1\nn = 1,200", "2\nn = 8"]
    # A length without examples has no bar.
    assert [bar.get_height() for bar in axes.patches] == [97.5, 100.0]
    ends = []
    for container in axes.containers:
        if hasattr(container, "has_yerr"):
            ends += container.lines[2][0].get_segments()[0][:, 1].tolist()
    assert ends == pytest.approx([96.45, 98.28, 67.56, 100.0])
    low, high = axes.get_ylim()
    assert low == 0 and high >= 100 and "%" in axes.get_ylabel()


def test_coverage_has_the_curve_and_the_point_at_98_percent(drawn):
    (axes,) = drawn(number_plots.coverage, report_of()).axes
    line, curve, point = axes.lines
    assert set(line.get_ydata()) == {98}
    np.testing.assert_allclose(curve.get_xydata(), [[60, 100], [100, 71]])
    np.testing.assert_allclose(point.get_xydata(), [[60, 98]])
    assert axes.get_legend().get_texts()[0].get_text() == "98% accuracy at 60.00% coverage"
    assert axes.get_ylim()[0] <= 71 and axes.get_xlim()[1] >= 100
    assert "coverage" in axes.get_xlabel() and "accuracy" in axes.get_ylabel()
    assert "npz, validation, step 30" in axes.get_title()


@pytest.mark.parametrize("value, coverage", [(0.0, COVERAGE), (None, [])])
def test_coverage_below_98_percent_has_no_point(drawn, value, coverage):
    (axes,) = drawn(number_plots.coverage, report_of(value, coverage)).axes
    assert len(axes.lines[2].get_xdata()) == 0
    assert "no coverage" in axes.get_legend().get_texts()[0].get_text()


def test_reliability_has_a_bar_for_each_filled_bin_and_the_diagonal(drawn):
    (axes,) = drawn(number_plots.reliability, report_of()).axes
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in axes.patches]
    assert bars == [pytest.approx((30.4, 9.2, 37.0)), pytest.approx((90.4, 9.2, 100.0))]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [100, 100]]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1,200", "8"]
    assert "calibration error 0.021" in axes.get_title()
