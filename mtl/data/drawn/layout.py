"""Lay out a line of digits in one distance field, the text plane."""

from typing import NamedTuple

import numpy as np

from mtl.data.drawn.chance import choose, cumulative
from mtl.data.drawn.glyphs import TILE, Glyphs
from mtl.data.drawn.realism import realism_of

PAD = 64  # empty pixels of the text plane around the line
_SPACINGS = cumulative([0.8, 0.2])  # narrow, wide


class Style(NamedTuple):
    """How a line is set. Lengths are in pixels of the text plane."""

    face: int  # index of the font face
    spacing: float  # between digits
    jumpy: bool  # digits move up and down, and some change their face
    stairs: float  # how much lower each digit is than the previous one
    before: str  # a digit of the neighbouring number on the left, or ""
    after: str  # the same on the right
    gap: float  # between the number and its neighbours
    drop: float | None  # vertical distance of digits below each other; None: side by side


class Placed(NamedTuple):
    """A digit on the line."""

    face: int
    digit: int
    x: float  # left edge of its ink
    lift: float  # shift downwards


def lay_out(
    text: str, rng: np.random.Generator, difficulty: float, glyphs: Glyphs
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Paste a line of digits into a text plane.

    Returns:
      The distance field, uint8 [height, width]: 128 + 16 * d, where d is the signed distance in
      pixels. And the box (left, top, right, bottom) of the digits in `text`, without neighbours.
    """
    style = _choose_style(text, rng, difficulty, len(glyphs.names))
    placed, width = _place(text, style, rng, glyphs)
    plane = np.zeros((TILE + 2 * PAD, width), np.uint8)
    boxes = [_paste(plane, digit, glyphs) for digit in placed]
    own = boxes[len(style.before) : len(style.before) + len(text)]
    if not own:
        own = [(PAD, PAD + 5, PAD + 14 * rng.uniform(1, 4), PAD + 27)]
    own = np.array(own)
    return plane, (own[:, 0].min(), own[:, 1].min(), own[:, 2].max(), own[:, 3].max())


def _choose_style(text, rng, difficulty, faces):
    """Return a random Style; faces: int, the number of faces to choose from."""
    realism = realism_of(difficulty)
    face = rng.integers(faces)
    spacing = (rng.uniform(-0.5, 3.0), rng.uniform(1.0, 9.0))[choose(rng, _SPACINGS)]
    jumpy = rng.random() < 0.18 * difficulty
    stairs = 0.0
    if rng.random() < 0.12 * difficulty and len(text) < 5:
        stairs = rng.uniform(-9.0, 9.0)
    before = _neighbour(rng, difficulty)
    after = _neighbour(rng, difficulty)
    gap = rng.uniform(5.0, 12.0) * (1.0 + 0.6 * realism)
    drop = None
    if 2 <= len(text) <= 3 and realism > 0.0 and rng.random() < 0.04 * difficulty:
        before = after = ""
        drop = rng.uniform(22.0, 28.0)
    return Style(face, spacing, jumpy, stairs, before, after, gap, drop)


def _neighbour(rng, difficulty):
    """Return a digit of a neighbouring number, mostly "" for none."""
    return str(rng.integers(10)) if rng.random() < 0.12 * difficulty else ""


def _place(text, style, rng, glyphs):
    """Return a Placed for each digit, including neighbours, and the width of the text plane."""
    face = style.face
    starts = (len(style.before), len(style.before + text))  # of the number, of the right neighbour
    placed, pen = [], float(PAD)
    for index, character in enumerate(style.before + text + style.after):
        digit = int(character)
        if index and index in starts:
            pen += style.gap
        if style.jumpy and rng.random() < 0.2:
            face = rng.integers(len(glyphs.names))
        lift = (rng.uniform(-2.5, 2.5) if style.jumpy else 0.0) + style.stairs * index
        if style.drop is None:
            placed.append(Placed(face, digit, pen, lift))
            pen += glyphs.right[face, digit] - glyphs.left[face, digit] + style.spacing
        else:
            x = pen + rng.uniform(-1.5, 1.5)
            placed.append(Placed(face, digit, x, (index - (len(text) - 1) / 2) * style.drop))
    return placed, int(pen) + TILE + PAD


def _paste(plane, placed, glyphs):
    """Paste a digit into the text plane; return the box of its ink (left, top, right, bottom)."""
    at = placed.face, placed.digit
    column = int(round(placed.x - glyphs.left[at]))
    row = int(round(PAD + placed.lift))
    tile = plane[row : row + TILE, column : column + TILE]
    np.maximum(tile, glyphs.field[at], out=tile)
    return (
        column + glyphs.left[at],
        row + glyphs.top[at],
        column + glyphs.right[at],
        row + glyphs.bottom[at],
    )
