"""Pen strokes of a handwritten number.

Each digit has a few shapes, given as points. The slant, width and unsteadiness of a random writer
move the points, and a smooth curve connects them.
"""

import functools
from typing import NamedTuple

import numpy as np

from mtl.data import augment

# The shapes of each digit: points (x, y) in hundredths of its width and height, from the upper
# left. At | the pen turns sharply, at / it is lifted.
DIGITS = (
    (
        "55 2 20 12 4 50 18 88 50 100 84 86 96 50 80 12 48 1",
        "70 6 35 2 6 40 14 84 48 100 88 78 94 34 66 4 30 16",
        "50 0 10 20 5 70 45 100 92 75 88 20 45 0 75 -8",
        "60 8 18 10 4 55 30 99 80 90 96 40 66 2 30 14 60 24 108 10",
    ),
    (
        "50 0 50 100",
        "50 0 50 100",
        "24 30 50 0 | 50 50 50 100",
        "34 26 56 0 | 48 100",
        "2 58 52 0 | 48 50 46 100",
        "6 76 56 0 | 50 100",
        "20 25 50 0 | 50 100 / 15 100 85 100",
    ),
    (
        "8 26 28 3 66 2 86 26 60 62 8 100 | 50 98 94 97",
        "10 22 40 0 84 14 74 46 40 76 12 98 8 82 30 78 60 98 96 90",
        "6 8 60 0 84 26 52 66 6 98 | 94 100",
        "6 30 22 4 70 0 86 30 50 70 14 96 4 84 26 74 70 99 108 88",
    ),
    (
        "12 12 48 0 82 18 66 42 36 47 | 70 52 90 75 56 100 8 88",
        "8 4 50 0 88 2 | 44 40 | 80 52 88 80 50 100 6 90",
        "14 10 56 0 80 22 40 46 84 62 82 92 40 101 6 88",
        "10 4 80 4 | 32 42 | 90 58 72 99 0 94",
    ),
    (
        "30 0 8 58 | 50 57 94 55 / 70 22 66 100",
        "36 0 10 60 | 94 58 / 72 10 72 100",
        "74 100 74 50 72 0 | 4 66 | 96 64",
        "20 0 16 48 | 50 52 78 48 / 82 0 78 50 72 100",
        "20 2 6 60 | 86 58 / 64 30 60 104",
        "26 0 4 44 | 60 56 96 50 / 84 -8 74 108",
    ),
    (
        "20 2 14 42 | 50 36 86 56 78 88 40 100 6 88 / 20 2 50 3 88 0",
        "88 2 24 3 | 16 42 | 54 38 88 62 74 94 36 101 6 88",
        "92 2 42 4 20 26 56 46 88 70 52 100 8 92",
        "12 8 16 46 | 60 38 86 64 58 98 4 92 / 14 6 108 -6",
        "40 4 16 46 | 72 46 70 96 8 98",
    ),
    (
        "76 2 36 24 8 66 24 96 60 100 88 78 64 54 28 60 10 78",
        "50 0 22 40 10 74 30 100 70 96 84 72 58 58 14 74",
        "90 10 60 0 16 40 12 84 50 100 88 80 70 52 20 62",
        "98 4 50 2 10 40 8 80 50 102 90 84 60 52 14 70 6 82",
    ),
    (
        "8 5 50 4 92 2 | 56 46 36 100",
        "10 4 90 2 | 60 44 40 100 / 24 50 78 46",
        "6 18 10 2 50 5 92 0 | 60 40 44 100 / 26 54 76 48",
        "4 8 94 0 | 30 100",
        "4 14 14 2 94 4 | 30 102 / 10 56 92 46",
        "10 30 6 4 40 12 96 0 | 52 50 26 106 / 10 58 96 46",
    ),
    (
        "76 12 42 0 16 20 46 45 86 72 60 100 20 94 14 70 50 47 80 24 70 6",
        "50 46 16 26 46 0 82 22 50 46 12 74 48 100 86 74 50 46",
        "84 8 40 2 18 24 78 68 56 100 16 82 40 54 86 10",
        "90 4 40 4 14 24 50 46 88 74 50 102 12 78 50 46 84 22 92 -4",
    ),
    (
        "82 16 50 0 14 20 24 46 56 46 82 16 | 78 55 66 100",
        "84 14 46 0 12 24 34 50 74 38 84 12 | 82 70 56 100 18 94",
        "86 8 40 2 10 28 40 48 86 8 | 72 60 50 100",
        "72 4 20 6 14 42 60 44 80 4 | 84 60 60 108 10 96",
        "88 40 40 54 6 28 40 -2 84 16 80 60 48 102",
    ),
)
MARKS = {
    ".": "40 96 44 100 40 101",
    ",": "46 92 48 100 36 116",
    "-": "0 52 50 50 100 50",
    "=": "0 42 100 40 / 0 62 100 60",
}
# Marks that people write after an amount, so that no digit can be added.
AFTER = ("", "", "", "", ".", ",", "-", "=", ".-", ".", "--")
CURVE = np.linspace(0.0, 1.0, 7)[:, None]  # the parameters at which a curve segment is sampled


class Hand(NamedTuple):
    """How one person writes. Lengths are in heights of a digit."""

    slant: float  # x per y
    narrow: float  # width of a digit
    unsteady: float  # standard deviation of a point's position
    uneven: float  # standard deviation of a digit's size, turn and height on the line
    gap: float  # between digits
    fall: float  # slope of the line of writing: downwards per x
    variants: list[int]  # the usual shape of each digit
    separator: str  # between thousands, or ""
    zero: float  # height of a 0: many people write the zeros of a round number small


def write(text: str, rng: np.random.Generator, difficulty: float) -> list[np.ndarray]:
    """Write a number.

    Returns:
      The strokes of the pen, each float [points, 2]: x to the right, y down. A digit is about 1
      high, and the line of writing is at y = 1.
    """
    hand = _choose_hand(rng, difficulty)
    line = _punctuated(text, rng, hand)
    strokes, x = [], 0.0
    for character in line:
        written, width = _write_character(character, x, hand, rng)
        strokes += written
        pause = 0.5 if character in ".," else 1.0
        x += width + hand.gap * np.exp(rng.normal(0.0, 0.3)) * pause
    return strokes


def _choose_hand(rng, difficulty):
    """Return a random Hand."""
    return Hand(
        slant=rng.normal(0.18, 0.22),
        narrow=np.exp(rng.normal(-0.42, 0.25)),
        unsteady=rng.uniform(0.012, 0.04 + 0.035 * difficulty),
        uneven=rng.uniform(0.02, 0.05 + 0.07 * difficulty),
        gap=rng.uniform(-0.04, 0.5),
        fall=rng.normal(0.0, 0.04),
        variants=[rng.integers(len(variants)) for variants in DIGITS],
        separator=rng.choice(["", ".", ","], p=[0.4, 0.45, 0.15]),
        zero=np.exp(rng.normal(-0.26, 0.24)),
    )


def _punctuated(text, rng, hand):
    """Return the digits with the separators and closing marks of an amount."""
    line = ""
    for place, character in enumerate(reversed(text)):
        line = character + (hand.separator if place in (3, 6) else "") + line
    return line + AFTER[rng.integers(len(AFTER))] if text else ""


def _write_character(character, x, hand, rng):
    """Return the strokes of a character whose ink starts at x, and the width of the ink."""
    shape = _choose_shape(character, hand, rng)
    tall = np.exp(rng.normal(0.0, hand.uneven)) * (hand.zero if character == "0" else 1.0)
    wide = hand.narrow * tall * np.exp(rng.normal(0.0, hand.uneven))
    turn = rng.normal(0.0, hand.uneven)
    slant = -hand.slant + rng.normal(0.0, 0.5 * hand.uneven)
    pose = augment.turn_and_slant(turn, slant)
    drop = rng.normal(0.0, hand.uneven) + hand.fall * x
    smooth = [_smooth_stroke(pieces, rng, hand.unsteady) for pieces in shape]
    # The spacing depends on the ink, as in handwriting: a 1 is narrow.
    left = min(stroke[:, 0].min() for stroke in smooth)
    right = max(stroke[:, 0].max() for stroke in smooth)
    width = wide * (right - left)
    middle = np.array([(left + right) / 2, 1.0])
    position = [x + width / 2, 1.0 + drop]
    written = [((stroke - middle) * [wide, tall]) @ pose.T + position for stroke in smooth]
    return written, width


def _choose_shape(character, hand, rng):
    """Return the parsed shape of a character: mostly the hand's usual one."""
    if not character.isdigit():
        return parse(MARKS[character])
    digit = int(character)
    variant = hand.variants[digit]
    if rng.random() >= 0.85:
        variant = rng.integers(len(DIGITS[digit]))
    return parse(DIGITS[digit][variant])


@functools.cache
def parse(shape: str) -> list[list[np.ndarray]]:
    """Return the strokes of a shape; each is a list of pieces, float [points, 2], in 0..1."""
    return [
        [np.array(piece.split(), float).reshape(-1, 2) / 100.0 for piece in stroke.split("|")]
        for stroke in shape.split("/")
    ]


def _smooth_stroke(pieces, rng, unsteady):
    """Return a stroke, float [points, 2]: curves through points moved by an unsteady hand."""
    moved = [piece + rng.normal(0.0, unsteady, piece.shape) for piece in pieces]
    curves = [curve(moved[0])]
    for before, piece in zip(moved, moved[1:]):
        curves.append(curve(np.concatenate([before[-1:], piece])))
    return np.concatenate(curves)


def curve(points: np.ndarray) -> np.ndarray:
    """Return a smooth curve (Catmull and Rom 1974) through n points: float [7 * (n - 1), 2]."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, first, last, after = ends[:-3, None], ends[1:-2, None], ends[2:-1, None], ends[3:, None]
    t = CURVE
    bent = 2 * first + (last - before) * t + (2 * before - 5 * first + 4 * last - after) * t**2
    return (bent + (3 * (first - last) + after - before) * t**3).reshape(-1, 2) / 2
