"""What the plots show, taken from the figures themselves."""

import contextlib
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from mtl import tasks
from mtl.reports import plot, report

LENGTHS = [
    {
        "length": name,
        "examples": n,
        "right": right,
        "accuracy": right / n if n else None,
        "low_95": low,
        "high_95": high,
    }
    for name, n, right, low, high in [
        ("0", 0, 0, None, None),
        ("1", 1200, 1170, 0.9645, 0.9828),
        ("2", 8, 8, 0.6756, 1.0),
    ]
]
COVERAGE = [
    {"threshold": 0.9, "answered": 60, "right": 60, "coverage": 0.6, "accuracy": 1.0},
    {"threshold": 0.5, "answered": 100, "right": 71, "coverage": 1.0, "accuracy": 0.71},
]


def confusion_of(task):
    names = [*map(str, range(task.classes - 1)), "X"]
    return [
        {"true": a, **{b: 1700 if i == j else (i + j) % 2 for j, b in enumerate(names)}}
        for i, a in enumerate(names)
    ]


def rows(coverage_at_98=0.6, coverage=COVERAGE):
    head = {"dataset": "npz", "split": "validation", "step": 30, "coverage_at_98": coverage_at_98}
    return report.Report(
        head,
        {task.name: confusion_of(task) for task in tasks.NUMBER_TASKS},
        LENGTHS,
        coverage,
        [],
        [],
    )


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function (plot, rows) -> the figure as it was saved, after a look at the file."""
    figures, original = [], plot._figure

    @contextlib.contextmanager
    def kept(*arguments):
        with original(*arguments) as figure:
            yield figure
        figures.append(figure)

    monkeypatch.setattr(plot, "_figure", kept)

    def draw(function, report_rows):
        function(report_rows, str(tmp_path / "p.png"))
        with Image.open(tmp_path / "p.png") as picture:
            assert picture.format == "PNG" and picture.width == 1000
        assert os.listdir(tmp_path) == ["p.png"]
        return figures[-1]

    return draw


def test_a_cell_says_how_many_and_its_colour_the_share(drawn):
    figure = drawn(plot.confusion, rows())
    assert len(figure.axes) == 6
    for axes, task in zip(figure.axes, tasks.NUMBER_TASKS, strict=True):
        assert axes.get_title().startswith(f"{task.name}: {1700 * task.classes:,} of ")
        cells = confusion_of(task)
        names = [row["true"] for row in cells]
        assert (
            [text.get_text() for text in axes.get_xticklabels()]
            == [text.get_text() for text in axes.get_yticklabels()]
            == names
        )
        shown = {
            (text.get_position()[0] - 0.5, text.get_position()[1] - 0.5): text.get_text()
            for text in axes.texts
        }
        # Columns along x are classes read, rows along y true classes, the first on top.
        assert shown == {
            (x, y): str(row[b])
            for y, row in enumerate(cells)
            for x, b in enumerate(names)
            if row[b]
        }
        assert (
            axes.get_ylim()[0] > axes.get_ylim()[1]
            and "read" in axes.get_xlabel()
            and "true" in axes.get_ylabel()
        )
        (mesh,) = axes.collections
        shares = [[row[b] / sum(row[c] for c in names) for b in names] for row in cells]
        np.testing.assert_allclose(mesh.get_array(), shares)


def test_accuracy_by_length_stands_with_its_interval(drawn):
    (axes,) = drawn(plot.accuracy_by_length, rows()).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "0\nn = 0",
        "1\nn = 1,200",
        "2\nn = 8",
    ]
    assert [bar.get_height() for bar in axes.patches] == [
        97.5,
        100.0,
    ]  # none for the length that no example has
    intervals = [
        container.lines[2][0].get_segments()[0][:, 1].tolist()
        for container in axes.containers
        if hasattr(container, "has_yerr")
    ]
    assert [value for pair in intervals for value in pair] == pytest.approx(
        [96.45, 98.28, 67.56, 100.0]
    )
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] >= 100 and "%" in axes.get_ylabel()


def test_the_coverage_curve_and_the_98_percent_line(drawn):
    (axes,) = drawn(plot.coverage, rows()).axes
    line, curve, mark = axes.lines
    assert set(line.get_ydata()) == {98}
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([60.0, 100.0], [100.0, 71.0])
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([60.0], [98])
    assert axes.get_legend().get_texts()[0].get_text() == "98% right at 60.00% coverage"
    assert axes.get_ylim()[0] <= 71 and axes.get_xlim()[1] >= 100
    assert (
        "coverage" in axes.get_xlabel()
        and "accuracy" in axes.get_ylabel()
        and "npz, validation, step 30" in axes.get_title()
    )


@pytest.mark.parametrize("value, points", [(0.0, COVERAGE), (None, [])])
def test_a_curve_that_never_reaches_it_has_no_mark(drawn, value, points):
    (axes,) = drawn(plot.coverage, rows(value, points)).axes
    assert (
        len(axes.lines[2].get_xdata()) == 0
        and "no coverage" in axes.get_legend().get_texts()[0].get_text()
    )


def test_curves_are_drawn_over_the_steps_with_gaps_where_nothing_was_measured(drawn):
    names = [task.name for task in tasks.NUMBER_TASKS]
    curves = []
    for i, value in enumerate([2.5, None, 0.5]):
        of_tasks = {f"accuracy_{name}": i / 4 for name in names} | {
            f"cross_entropy_{name}": value for name in names
        }
        curves.append({"step": 10 * i, "sequence_accuracy": i / 8, **of_tasks})
    figure = drawn(plot.curves, rows()._replace(curves=curves))
    sequence, accuracy, entropy = figure.axes
    assert all(
        axes.lines[0].get_xdata() == [30, 30] for axes in figure.axes
    )  # the step that the report measures
    np.testing.assert_allclose(sequence.lines[1].get_xydata(), [[0, 0], [10, 12.5], [20, 25]])
    assert (
        [line.get_label() for line in accuracy.lines[1:]]
        == [line.get_label() for line in entropy.lines[1:]]
        == names
    )
    for line in accuracy.lines[1:]:
        np.testing.assert_allclose(line.get_ydata(), [0, 25, 50])
    for line in entropy.lines[1:]:
        np.testing.assert_array_equal(line.get_ydata(), [2.5, np.nan, 0.5])
    assert (
        len({line.get_marker() for line in entropy.lines[1:]}) == 6
    )  # told apart without colours, too
    assert (
        "%" in sequence.get_ylabel()
        and "%" in accuracy.get_ylabel()
        and "nats" in entropy.get_ylabel()
    )


def test_a_persons_settings_are_neither_heeded_nor_changed(drawn):
    with matplotlib.rc_context({"font.size": 31, "text.usetex": True}):
        (axes,) = drawn(plot.coverage, rows()).axes
        assert axes.xaxis.label.get_fontsize() == 11
        assert matplotlib.rcParams["font.size"] == 31 and matplotlib.rcParams["text.usetex"]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in "ab":
        plot.coverage(rows(), str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(KeyError):
        plot.coverage(rows(coverage=[{"coverage": 1.0}]), str(tmp_path / "p.png"))
    assert os.listdir(tmp_path) == []


def test_matplotlib_is_imported_to_draw_alone():
    code = "import sys; import mtl.reports.plot, mtl.reports.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
