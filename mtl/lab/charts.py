"""Charts as SVG within a page. Their colours are classes of compare.css, for light and dark pages.

All lengths are pixels of a phone, on which a chart is as wide as the page.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mtl.lab.statistics import Mean
from mtl.reports.page import Html, escape

WIDTH = 340
COLOURS = 6  # classes c0 .. c5; the next six series have them with dashes
_HEIGHT = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 24  # around the curves
_ROW, _AXIS = 40, 24  # of `intervals`: a row, and the space below for the axis
_EDGE = 20  # left and right of the intervals
_TICKS = 4  # about as many on an axis
_NAME = 38  # characters of a label


class Series(NamedTuple):
    """A curve."""

    points: Sequence[tuple[float, float]]
    style: str  # classes of the curve
    halves: Sequence[float | None] = ()  # half the width of the band at each point


def style_of(index: int) -> str:
    """Return the classes of the series of an index."""
    dashes = " dashed" if index // COLOURS % 2 else ""
    return f"c{index % COLOURS}{dashes}"


def intervals(rows: Sequence[tuple[str, Mean]], spec: str, alt: str) -> Html:
    """Return a chart with a dot and an interval in each row.

    Args:
      rows: a label and its Mean.
      spec: format of the values.
      alt: what the chart shows, for a screen reader.
    """
    ends = [end for _, mean in rows for end in _ends(mean)]
    ticks = _ticks(min(ends), max(ends))
    low, high = min(ends + ticks), max(ends + ticks)
    across = _Scale(low, high, _EDGE, WIDTH - _EDGE)
    bottom = _ROW * len(rows)
    parts = []
    for tick in ticks:
        x = across(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 16, _short(tick, spec), "middle"))
    for index, (label, mean) in enumerate(rows):
        y = _ROW * index + 27
        left, right = map(across, _ends(mean))
        parts.append(_text(0, y - 11, _cut(label), "left"))
        parts.append(_text(WIDTH, y - 11, format(mean.mean, spec), "right"))
        if mean.half is not None:
            parts.append(f'<line class="c1 band" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="c1 dot" cx="{across(mean.mean)}" cy="{y}" r="4"/>')
    return _svg(bottom + _AXIS, parts, alt)


def curves(
    series: Sequence[Series], spec: str, alt: str, limits: tuple[float, float] | None = None
) -> Html:
    """Return a chart of curves over the training steps.

    Args:
      series: at least one, with at least one point; later ones are drawn over earlier ones.
      spec: format of the values.
      alt: what the chart shows, for a screen reader.
      limits: the lowest and the highest value of the chart, which cut the bands; None takes those
        of the series.
    """
    steps = [x for each in series for x, _ in each.points]
    values = limits or [value for each in series for value in _extent(each)]
    ticks = _ticks(min(values), max(values))
    across = _Scale(min(steps), max(steps), _LEFT, WIDTH - _RIGHT)
    down = _Scale(min(*values, *ticks), max(*values, *ticks), _HEIGHT - _BOTTOM, _TOP)
    parts = []
    for tick in ticks:
        y = down(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(_LEFT - 5, y + 4, _short(tick, spec), "right"))
    for step in sorted({min(steps), max(steps)}):
        x = across(step)
        parts.append(_text(x, _HEIGHT - 7, f"{step:,}", _anchor(x)))
    for each in series:
        parts += _curve(each, across, down)
    return _svg(_HEIGHT, parts, alt)


def _curve(series, across, down):
    """Return the band and the line of a Series; a single point is a dot."""
    parts = []
    if any(series.halves):
        pairs = [(x, y, half or 0.0) for (x, y), half in zip(series.points, series.halves)]
        upper = [f"{across(x)},{down(y + half)}" for x, y, half in pairs]
        lower = [f"{across(x)},{down(y - half)}" for x, y, half in reversed(pairs)]
        points = " ".join(upper + lower)
        parts.append(f'<polygon class="{series.style} area" points="{points}"/>')
    if len(series.points) == 1:
        x, y = series.points[0]
        parts.append(f'<circle class="{series.style} dot" cx="{across(x)}" cy="{down(y)}" r="4"/>')
    else:
        points = " ".join(f"{across(x)},{down(y)}" for x, y in series.points)
        parts.append(f'<polyline class="{series.style} curve" points="{points}"/>')
    return parts


def legend(names: Sequence[str]) -> Html:
    """Return the names of series with their colours, as a list."""
    items = []
    for index, name in enumerate(names):
        line = f'<line class="{style_of(index)} curve" x1="0" x2="22" y1="6" y2="6"/>'
        svg = f'<svg width="22" height="12" aria-hidden="true">{line}</svg>'
        items.append(f"<li>{svg} {escape(name)}</li>")
    return Html(f'<ul class="legend">{"".join(items)}</ul>')


# -- scales ----------------------------------------------------------------------------------------


class _Scale:
    """Converts a value, cut to a range, to a position, rounded to a tenth of a pixel."""

    def __init__(self, low, high, start, end):
        self._low, self._high, self._start = low, high, start
        self._factor = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, value):
        inside = min(max(value, self._low), self._high)
        return round(self._start + (inside - self._low) * self._factor, 1)


def _ticks(low, high):
    """Return round numbers that cover a range: multiples of 1, 2 or 5 times a power of 10."""
    if high <= low:
        return [low]
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _ends(mean):
    half = mean.half or 0.0
    return mean.mean - half, mean.mean + half


def _extent(series):
    """Return the lowest and the highest values of a Series with its band."""
    halves = series.halves or [None] * len(series.points)
    found = []
    for (_, y), half in zip(series.points, halves):
        found += [y - (half or 0.0), y + (half or 0.0)]
    return min(found), max(found)


# -- text ------------------------------------------------------------------------------------------


def _short(value, spec):
    """Return a tick without digits that it does not need."""
    if spec.endswith("%"):
        return f"{100 * value:.4g}%"
    return f"{value:.4g}"


def _anchor(x):
    """Return the class of a text below an axis, so that it stays within the chart."""
    if x < 24:
        return "left"
    return "right" if x > WIDTH - 24 else "middle"


def _cut(text):
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}\u2026"


def _text(x, y, words, classes):
    return f'<text class="{classes}" x="{x}" y="{round(y, 1)}">{escape(words)}</text>'


def _svg(height, parts, alt):
    """Return the element of a chart."""
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img"'
    return Html(f'{head} aria-label="{escape(alt)}">\n{"".join(parts)}\n</svg>')
