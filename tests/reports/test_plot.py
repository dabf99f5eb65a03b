"""mtl.reports.plot: what the figures show."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from made_plots import NAMES, confusion_of, evaluations, labels_of, report_of
from made_reports import many, own, own_evaluations
from matplotlib.text import Text
from PIL import Image

from mtl import tasks
from mtl.reports import number_plots, plot, report

pytestmark = pytest.mark.slow

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
        bottom, top = axes.get_ylim()
        assert bottom > top  # the first class is on top
        assert "predicted" in axes.get_xlabel() and "true" in axes.get_ylabel()


# -- training --------------------------------------------------------------------------------------


@pytest.fixture
def curves(drawn):
    """The axes of the curves, by name, of three evaluations; the second has no cross entropies."""
    figure = drawn(plot.curves, report_of(lines=evaluations()))
    return dict(zip(["sequence", "accuracy", "cross_entropy"], figure.axes, strict=True))


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


# -- your own tasks --------------------------------------------------------------------------------


def test_own_tasks_with_classes_have_a_matrix(drawn):
    figure = drawn(plot.confusion, own())
    assert [axes.get_title() for axes in figure.axes] == [
        "digit: 2 of 4 correct, 50.0%",
        "odd: 3 of 4 correct, 75.0%",
    ]
    assert figure.axes[0].get_xlabel() == "predicted class"
    assert plot.matrices(own()) == ["digit", "odd"]


def test_of_many_tasks_six_have_a_matrix(drawn):
    figure = drawn(plot.confusion, many())
    assert [axes.get_title().split(":")[0] for axes in figure.axes] == [
        f"task{i}" for i in range(6)
    ]


def test_an_odd_number_of_matrices_leaves_no_empty_axes(drawn):
    report = many()
    figure = drawn(plot.confusion, report._replace(focus=report.focus[:3]))
    assert [axes.get_visible() for axes in figure.axes] == [True] * 3 + [False]
    assert len(drawn(plot.confusion, report._replace(focus=report.focus[:1])).axes) == 1


def test_a_long_name_is_cut(drawn):
    assert plot.short("a" * 24) == "a" * 24
    assert plot.short("a" * 25) == "a" * 23 + "\u2026"


def test_own_curves_have_one_plot_for_each_metric(drawn):
    figure = drawn(plot.curves, own(evaluations=own_evaluations()))
    labels = ["score", "accuracy of each task, %", "R2 of each task", "loss of each task"]
    assert [axes.get_ylabel() for axes in figure.axes] == labels
    accuracy, losses = figure.axes[1], figure.axes[3]
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), [12.5, 25, 37.5])
    assert [line.get_label() for line in losses.lines[1:]] == ["digit", "odd", "height"]
    # A task has the same colour in all plots.
    assert figure.axes[2].lines[1].get_color() == losses.lines[3].get_color()


def test_many_curves_have_one_legend_and_different_lines(drawn):
    figure = drawn(plot.curves, many())
    assert [axes.get_legend() for axes in figure.axes] == [None] * 3
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["step of this report", *[f"task{i}" for i in range(12)]]
    lines = figure.axes[1].lines[1:]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12


# -- text and colours ------------------------------------------------------------------------------

PHONE = 348  # the width in pixels of a plot on a page that is 390 pixels wide
LONG = "a-dataset-with_a_long.name/" * 5


@pytest.mark.parametrize("name", report.PLOTS)
def test_nothing_is_cut_at_the_edge_of_a_plot(tmp_path, name):
    rows = report_of(dataset=LONG, lines=evaluations())
    report.PLOTS[name](rows, str(tmp_path / "p.png"))
    with Image.open(tmp_path / "p.png") as image:
        pixels = np.array(image.convert("L"))
    inside = pixels[4:-4, 4:-4].copy()
    pixels[4:-4, 4:-4] = 255
    assert (pixels == 255).all() and (inside < 128).any()


@pytest.mark.parametrize("name", ["accuracy_by_length", "coverage", "reliability", "curves"])
def test_text_is_legible_on_a_phone(drawn, name):
    figure = drawn(report.PLOTS[name], report_of(lines=evaluations()))
    for text in visible(figure):
        pixels = text.get_fontsize() * figure.dpi / 72 * PHONE / plot.WIDTH
        assert pixels >= 7.5, f"{text.get_text()!r} has {pixels:.1f} pixels"


def visible(figure):
    """Return the visible texts of a figure."""
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


# -- files and settings ----------------------------------------------------------------------------


def test_settings_of_the_user_are_neither_used_nor_changed(drawn):
    with matplotlib.rc_context({"font.size": 31, "text.usetex": True}):
        (axes,) = drawn(number_plots.coverage, report_of()).axes
        assert axes.xaxis.label.get_fontsize() == 10
        assert matplotlib.rcParams["font.size"] == 31 and matplotlib.rcParams["text.usetex"]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in "ab":
        number_plots.coverage(report_of(), str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(KeyError):
        number_plots.coverage(report_of(coverage=[{"coverage": 1.0}]), str(tmp_path / "p.png"))
    assert os.listdir(tmp_path) == []


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys; import mtl.reports.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
