"""Fixtures of the tests of reports and plots."""

import contextlib
import os

import pytest
from PIL import Image

from mtl.reports import number_plots, plot, report


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function (plot, report) -> the figure that was saved; it also checks the file."""
    figures, original = [], plot.figure_of

    @contextlib.contextmanager
    def recorded(*arguments):
        with original(*arguments) as figure:
            yield figure
        figures.append(figure)

    monkeypatch.setattr(plot, "figure_of", recorded)
    monkeypatch.setattr(number_plots, "figure_of", recorded)

    def draw(function, report):
        function(report, str(tmp_path / "p.png"))
        with Image.open(tmp_path / "p.png") as image:
            assert image.format == "PNG" and image.width == 1000
        assert os.listdir(tmp_path) == ["p.png"]
        return figures[-1]

    return draw


def empty_file(rows, path):
    open(path, "wb").close()


@pytest.fixture
def quick(monkeypatch):
    """Replace the plots by empty files: each takes a second."""
    for name in report.PLOTS:
        monkeypatch.setitem(report.PLOTS, name, empty_file)
