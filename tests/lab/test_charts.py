"""Charts: positions, ticks, and text within the chart."""

import re

import pytest

from mtl.lab import charts
from mtl.lab.charts import Series
from mtl.lab.statistics import Mean


def attribute(svg, tag, name):
    """List the values of an attribute of all elements of a tag, as numbers."""
    elements = re.findall(rf"<{tag} [^>]*>", svg)
    return [float(re.search(rf' {name}="([^"]*)"', each)[1]) for each in elements]


def texts(svg):
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg)


def test_intervals_are_where_their_values_are():
    rows = [("one", Mean(0.5, 0.25, 3)), ("<two>", Mean(1.0, None, 1))]
    svg = charts.intervals(rows, ".1%", "what <is> shown")
    first, second = attribute(svg, "circle", "cx")
    bands = re.findall(r'<line class="c1 band" x1="([^"]*)" x2="([^"]*)"', svg)
    ((left, right),) = bands  # a single value has no interval
    assert float(left) < first < float(right) < second
    assert first - float(left) == pytest.approx(float(right) - first, abs=0.11)
    assert (second - first) / (first - float(left)) == pytest.approx(2.0, abs=0.01)
    assert {"one", "&lt;two&gt;", "50.0%", "100.0%"} <= set(texts(svg))
    assert 'aria-label="what &lt;is&gt; shown"' in svg and 'role="img"' in svg


def test_long_labels_are_cut():
    svg = charts.intervals([("x" * 80, Mean(0.5, 0.1, 2))], ".4f", "alt")
    assert f"{'x' * 37}\u2026" in texts(svg)


def test_equal_values_make_a_chart():
    svg = charts.intervals([("a", Mean(0.5, 0.0, 2)), ("b", Mean(0.5, None, 1))], ".4f", "alt")
    assert len(set(attribute(svg, "circle", "cx"))) == 1
    assert "nan" not in svg


def test_curves_rise_with_their_values_and_stay_inside():
    series = Series([(100, 0.2), (200, 0.6), (400, 0.4)], "c1", [None, 0.1, 5.0])
    svg = charts.curves([series], ".2%", "alt", (0.2, 0.6))
    points = re.search(r'<polyline class="c1 curve" points="([^"]*)"', svg)[1].split()
    (x1, y1), (x2, y2), (x3, y3) = [map(float, point.split(",")) for point in points]
    assert (x3 - x1) / (x2 - x1) == pytest.approx(3.0, abs=0.01)
    assert y2 < y3 < y1 and y1 - y3 == pytest.approx(y3 - y2, abs=0.21)
    band = re.search(r'<polygon class="c1 area" points="([^"]*)"', svg)[1].split()
    heights = [float(point.split(",")[1]) for point in band]
    assert min(heights) == y2 and max(heights) == y1, "the band is cut at the limits"
    assert texts(svg)[-2:] == ["100", "400"]


def test_a_single_point_is_a_dot():
    svg = charts.curves([Series([(100, 0.2)], "c1")], ".2%", "alt")
    assert len(attribute(svg, "circle", "cx")) == 1 and "polyline" not in svg


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (0.61, 0.83, [0.6, 0.7, 0.8, 0.9]),
        (-2.0, 9.0, [-5.0, 0.0, 5.0, 10.0]),
        (0.5, 0.5, [0.5]),
        (0.90012, 0.90018, [0.9001, 0.90012, 0.90014, 0.90016, 0.90018]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, expected):
    found = charts._ticks(low, high)
    assert found[0] <= low and found[-1] >= high
    if len(expected) != 5:
        assert found == pytest.approx(expected)
    assert len(found) <= 7


def test_legend_has_a_style_for_each_name():
    html = charts.legend([f"task{index}" for index in range(8)])
    assert html.count("<li>") == 8
    assert charts.style_of(1) == "c1" and charts.style_of(7) == "c1 dashed"
    assert 'class="c1 dashed curve"' in html
