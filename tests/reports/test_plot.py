"""mtl.reports.plot: what the figures show."""

import contextlib
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from mtl import tasks
from mtl.reports import plot, report, tables

NAMES = [task.name for task in tasks.NUMBER_TASKS]
EMPTY = {"examples": 0, "correct": 0, "accuracy": None, "low_95": None, "high_95": None}
LENGTHS = [
    {"length": "0", **EMPTY},
    {
        "length": "1",
        "examples": 1200,
        "correct": 1170,
        "accuracy": 0.975,
        "low_95": 0.9645,
        "high_95": 0.9828,
    },
    {"length": "2", "examples": 8, "correct": 8, "accuracy": 1.0, "low_95": 0.6756, "high_95": 1.0},
]
COVERAGE = [
    {"threshold": 0.9, "answered": 60, "correct": 60, "coverage": 0.6, "accuracy": 1.0},
    {"threshold": 0.5, "answered": 100, "correct": 71, "coverage": 1.0, "accuracy": 0.71},
]
RELIABILITY = [
    dict(zip(tables.RELIABILITY, (0.0, 0.1, 0, 0, None, None))),
    dict(zip(tables.RELIABILITY, (0.3, 0.4, 1200, 444, 0.35, 0.37))),
    dict(zip(tables.RELIABILITY, (0.9, 1.0, 8, 8, 0.97, 1.0))),
]


def confusion_of(task):
    """Return a confusion table with 1700 on the diagonal, and 0 or 1 elsewhere."""
    names = [*map(str, range(task.outputs - 1)), "X"]
    rows = []
    for i, true in enumerate(names):
        counts = [1700 if i == j else (i + j) % 2 for j in range(len(names))]
        rows.append({"true": true, **dict(zip(names, counts))})
    return rows


def report_of(coverage_at_98=0.6, coverage=COVERAGE, curves=(), dataset="npz"):
    head = {"dataset": dataset, "split": "validation", "step": 30, "coverage_at_98": coverage_at_98}
    return tables.Report(
        metrics=head,
        confusion={task.name: confusion_of(task) for task in tasks.NUMBER_TASKS},
        lengths=LENGTHS,
        coverage=coverage,
        mistakes=[],
        mistaken=[],
        curves=curves,
        reliability=RELIABILITY,
        calibration_error=0.0206,
    )


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function (plot, report) -> the figure that was saved; it also checks the file."""
    figures, original = [], plot._figure

    @contextlib.contextmanager
    def recorded(*arguments):
        with original(*arguments) as figure:
            yield figure
        figures.append(figure)

    monkeypatch.setattr(plot, "_figure", recorded)

    def draw(function, report):
        function(report, str(tmp_path / "p.png"))
        with Image.open(tmp_path / "p.png") as image:
            assert image.format == "PNG" and image.width == 1000
        assert os.listdir(tmp_path) == ["p.png"]
        return figures[-1]

    return draw


def labels_of(ticks):
    return [text.get_text() for text in ticks]


# -- confusion -------------------------------------------------------------------------------------


def test_confusion_shows_counts_and_colours_shares(drawn):
    figure = drawn(plot.confusion, report_of())
    for axes, task in zip(figure.axes, tasks.NUMBER_TASKS, strict=True):
        assert axes.get_title().startswith(f"{task.name}: {1700 * task.outputs:,} of ")
        rows = confusion_of(task)
        names = [row["true"] for row in rows]
        assert labels_of(axes.get_xticklabels()) == labels_of(axes.get_yticklabels()) == names
        counts = np.array([[row[name] for name in names] for row in rows])
        texts = np.zeros_like(counts)  # a zero is not written
        for text in axes.texts:
            x, y = (int(place - 0.5) for place in text.get_position())
            texts[y, x] = int(text.get_text())
        np.testing.assert_array_equal(texts, counts)
        (mesh,) = axes.collections
        np.testing.assert_allclose(mesh.get_array(), counts / counts.sum(axis=1, keepdims=True))


def test_confusion_names_its_axes_with_the_first_class_on_top(drawn):
    axes = drawn(plot.confusion, report_of()).axes[0]
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert "predicted" in axes.get_xlabel() and "true" in axes.get_ylabel()


# -- accuracy --------------------------------------------------------------------------------------


def test_accuracy_by_length_has_a_bar_and_its_interval(drawn):
    (axes,) = drawn(plot.accuracy_by_length, report_of()).axes
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
    (axes,) = drawn(plot.coverage, report_of()).axes
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
    (axes,) = drawn(plot.coverage, report_of(value, coverage)).axes
    assert len(axes.lines[2].get_xdata()) == 0
    assert "no coverage" in axes.get_legend().get_texts()[0].get_text()


def test_reliability_has_a_bar_for_each_filled_bin_and_the_diagonal(drawn):
    (axes,) = drawn(plot.reliability, report_of()).axes
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in axes.patches]
    assert bars == [pytest.approx((30.4, 9.2, 37.0)), pytest.approx((90.4, 9.2, 100.0))]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [100, 100]]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1,200", "8"]
    assert "calibration error 0.021" in axes.get_title()


# -- training --------------------------------------------------------------------------------------


@pytest.fixture
def curves(drawn):
    """The axes of the curves, by name, of three evaluations; the second has no cross entropies."""
    figure = drawn(plot.curves, report_of(curves=evaluations()))
    return dict(zip(["sequence", "accuracy", "cross_entropy"], figure.axes, strict=True))


def evaluations():
    rows = []
    for i, loss in enumerate([2.5, None, 0.5]):
        row = {"step": 10 * i, "sequence_accuracy": i / 8}
        row |= {f"accuracy_{name}": i / 4 for name in NAMES}
        row |= {f"cross_entropy_{name}": loss for name in NAMES}
        rows.append(row)
    return rows


def test_curves_mark_the_step_of_the_report(curves):
    for axes in curves.values():
        assert axes.lines[0].get_xdata() == [30, 30]


def test_curves_show_values_over_steps_with_gaps(curves):
    sequence = curves["sequence"].lines[1]
    np.testing.assert_allclose(sequence.get_xydata(), [[0, 0], [10, 12.5], [20, 25]])
    for line in curves["accuracy"].lines[1:]:
        np.testing.assert_allclose(line.get_ydata(), [0, 25, 50])
    for line in curves["cross_entropy"].lines[1:]:
        np.testing.assert_array_equal(line.get_ydata(), [2.5, np.nan, 0.5])


def test_curves_name_tasks_and_units(curves):
    for name in ("accuracy", "cross_entropy"):
        lines = curves[name].lines[1:]
        assert [line.get_label() for line in lines] == NAMES
        # Markers tell them apart without colours.
        assert len({line.get_marker() for line in lines}) == 6
    units = {"sequence": "%", "accuracy": "%", "cross_entropy": "nats"}
    for name, unit in units.items():
        assert unit in curves[name].get_ylabel()


def test_curves_have_the_same_steps_at_the_same_position(curves):
    edges = [axes.get_position() for axes in curves.values()]
    assert len({(round(box.x0, 6), round(box.x1, 6)) for box in edges}) == 1
    assert len({axes.get_xlim() for axes in curves.values()}) == 1


# -- text and colours ------------------------------------------------------------------------------

PHONE = 348  # the width in pixels of a plot on a page that is 390 pixels wide
LONG = "a-dataset-with_a_long.name/" * 5


@pytest.mark.parametrize("name", report.PLOTS)
def test_nothing_is_cut_at_the_edge_of_a_plot(tmp_path, name):
    rows = report_of(dataset=LONG, curves=evaluations())
    getattr(plot, name)(rows, str(tmp_path / "p.png"))
    with Image.open(tmp_path / "p.png") as image:
        pixels = np.array(image.convert("L"))
    inside = pixels[4:-4, 4:-4].copy()
    pixels[4:-4, 4:-4] = 255
    assert (pixels == 255).all() and (inside < 128).any()


@pytest.mark.parametrize("name", ["accuracy_by_length", "coverage", "reliability", "curves"])
def test_text_is_legible_on_a_phone(drawn, name):
    figure = drawn(getattr(plot, name), report_of(curves=evaluations()))
    for text in visible(figure):
        pixels = text.get_fontsize() * figure.dpi / 72 * PHONE / plot.WIDTH
        assert pixels >= 7.5, f"{text.get_text()!r} has {pixels:.1f} pixels"


def visible(figure):
    """Return the visible texts of a figure."""
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


# -- files and settings ----------------------------------------------------------------------------


def test_settings_of_the_user_are_neither_used_nor_changed(drawn):
    with matplotlib.rc_context({"font.size": 31, "text.usetex": True}):
        (axes,) = drawn(plot.coverage, report_of()).axes
        assert axes.xaxis.label.get_fontsize() == 10
        assert matplotlib.rcParams["font.size"] == 31 and matplotlib.rcParams["text.usetex"]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in "ab":
        plot.coverage(report_of(), str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(KeyError):
        plot.coverage(report_of(coverage=[{"coverage": 1.0}]), str(tmp_path / "p.png"))
    assert os.listdir(tmp_path) == []


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys; import mtl.reports.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
