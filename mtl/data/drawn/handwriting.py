"""Numbers as people write them on forms and cheques: pen strokes on lined or patterned paper.

Each digit is one of a few chains of points, which a writer's own slant, width and unsteadiness move before a smooth curve is led
through them: there are as many hands as numbers.
"""

import functools

import numpy as np
from PIL import Image, ImageDraw

from mtl.data import augment
from mtl.data.drawn import drawing

# Points (x, y) in hundredths of a digit's width and height, from the upper left. A pen turns sharply at |, and is lifted at /.
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
AFTER = (
    "",
    "",
    "",
    "",
    ".",
    ",",
    "-",
    "=",
    ".-",
    ".",
    "--",
)  # what closes an amount, so that no digit can be added
LENGTHS = (0.02, 0.02, 0.05, 0.14, 0.31, 0.33, 0.09, 0.04)  # shares of amounts of 0, 1, .. 7 digits
CURVE = np.linspace(0.0, 1.0, 7)[:, None]  # of each piece of a curve
FINE = 3  # samples to a pixel, across and down, where the pen draws


def number(stream):
    """Draw an amount (stream: np.random.Generator): str of 0 to 7 digits, round ones more often than chance has them."""
    length = stream.choice(len(LENGTHS), p=LENGTHS)
    digits = stream.integers(0, 10, length)
    if length:
        digits[0] = stream.integers(1, 10)
        zeros = min(stream.choice([0, 1, 2, 3], p=[0.6, 0.12, 0.13, 0.15]), length - 1)
        digits[length - zeros :] = 0
    return "".join(map(str, digits))


def draw(text, stream, difficulty):
    """Write a number on paper and photograph it.

    Args:
      text: str of digits, "" for paper with nothing on it.
      stream: np.random.Generator, which decides everything.
      difficulty: float in [0, 1], how unsteady the hand, how busy the paper and how faint the ink may be.

    Returns:
      uint8 [WINDOW, WINDOW, 3].
    """
    difficulty *= stream.uniform(0.3, 1.0)  # of this image, as houses have it
    strokes = write(text, stream, difficulty)
    points = (
        np.concatenate(strokes)
        if strokes
        else np.array([[0.0, 0.0], [stream.uniform(1.0, 4.0), 1.0]])
    )
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    beside, above = (
        stream.uniform(0.02, 0.35, 2),
        stream.uniform(0.02, 0.45, 2),
    )  # of a digit's height
    left, right, top, bottom = (
        left - beside[0],
        right + beside[1],
        top - above[0],
        bottom + above[1],
    )
    tall = stream.uniform(34, 72)
    size = (int(np.clip(tall * (right - left) / (bottom - top), 16, 260)), int(tall))
    scale = np.array(size) * FINE / [right - left, bottom - top]

    sheet = Image.new("L", (size[0] * FINE, size[1] * FINE))
    pen, ink = ImageDraw.Draw(sheet), np.exp(stream.uniform(np.log(0.035), np.log(0.13))) * scale[1]
    for stroke in strokes:
        at = (stroke - [left, top]) * scale
        pressed = ink * np.exp(np.cumsum(stream.normal(0.0, 0.05, len(at))))
        for (x, y), (next_x, next_y), width in zip(at[:-1], at[1:], pressed):
            pen.line((x, y, next_x, next_y), fill=255, width=max(1, round(width)))
            pen.ellipse(
                (next_x - width / 2, next_y - width / 2, next_x + width / 2, next_y + width / 2),
                fill=255,
            )
    cover = np.asarray(sheet.resize(size, Image.Resampling.BOX), np.float32)[:, :, None] / 255.0

    picture = paper(size, stream, difficulty)
    dark = picture.min() * stream.uniform(0.1, 0.75 if stream.random() < difficulty else 0.4)
    tone = (
        drawing.colour(stream, dark, 1.0) if stream.random() < 0.4 else np.full(3, dark, np.float32)
    )
    worn = cover * (
        1.0 - np.abs(drawing.smooth_noise(size, (9, 5), stream)) * stream.uniform(0.0, 0.25)
    ).clip(0.0, 1.0)
    return drawing.spoil(picture * (1.0 - worn) + tone * worn, stream, 0.4 * difficulty)


def write(text, stream, difficulty):
    """Lead a pen through a number.

    Returns:
      list of float [points, 2], strokes: x to the right and y down, a digit about one high, the line of writing at y = 1.
    """
    slant, narrow = stream.normal(0.18, 0.22), np.exp(stream.normal(-0.42, 0.25))  # of this hand
    unsteady, uneven = (
        stream.uniform(0.012, 0.04 + 0.035 * difficulty),
        stream.uniform(0.02, 0.05 + 0.07 * difficulty),
    )
    gap, rise = stream.uniform(-0.04, 0.5), stream.normal(0.0, 0.04)
    variants = [stream.integers(len(of_digit)) for of_digit in DIGITS]
    mark = stream.choice(["", ".", ","], p=[0.4, 0.45, 0.15])
    nought = np.exp(stream.normal(-0.26, 0.24))  # many write the zeros of a round number small
    line = [
        character + (mark if mark and place in (3, 6) else "")
        for place, character in enumerate(reversed(text))
    ]
    line = "".join(reversed(line)) + (AFTER[stream.integers(len(AFTER))] if text else "")
    strokes, x = [], 0.0
    for character in line:
        if character.isdigit():
            digit = int(character)
            variant = (
                variants[digit] if stream.random() < 0.85 else stream.integers(len(DIGITS[digit]))
            )
            chains = _parsed(DIGITS[digit][variant])
        else:
            chains = _parsed(MARKS[character])
        tall = np.exp(stream.normal(0.0, uneven)) * (nought if character == "0" else 1.0)
        wide = narrow * tall * np.exp(stream.normal(0.0, uneven))
        turn = augment.turn_and_slant(
            stream.normal(0.0, uneven), -slant + stream.normal(0.0, 0.5 * uneven)
        )
        drop = stream.normal(0.0, uneven) + rise * x
        smooth = [
            np.concatenate([curve(piece) for piece in _moved(chain, stream, unsteady)])
            for chain in chains
        ]
        # Set by its ink, as a hand does it: a 1 takes no more room than it needs.
        left, right = min(at[:, 0].min() for at in smooth), max(at[:, 0].max() for at in smooth)
        middle = np.array([(left + right) / 2, 1.0])
        strokes += [
            ((at - middle) * [wide, tall]) @ turn.T + [x + wide * (right - left) / 2, 1.0 + drop]
            for at in smooth
        ]
        x += wide * (right - left) + gap * np.exp(stream.normal(0.0, 0.3)) * (
            0.5 if character in ".," else 1.0
        )
    return strokes


def paper(size, stream, difficulty):
    """Paint paper: a tone, lines to write on, the fine pattern of a cheque; float32 [height, width, 3], 0..1."""
    width, height = size
    tone = stream.uniform(0.4, 0.97)
    tint = (
        drawing.colour(stream, tone, 1.0) if stream.random() < 0.2 else np.full(3, tone, np.float32)
    )
    picture = np.broadcast_to(tint, (height, width, 3)) + drawing.smooth_noise(
        size, (5, 3), stream
    ) * stream.uniform(0.0, 0.03)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for _ in range(
        stream.poisson(1.4 * difficulty)
    ):  # families of fine lines, straight or in waves
        angle, period = stream.uniform(-0.7, 0.7), stream.uniform(2.5, 9.0)
        wave = stream.uniform(0.0, 3.0) * np.sin(
            x / stream.uniform(6.0, 40.0) + stream.uniform(0.0, 6.3)
        )
        along = y * np.cos(angle) + x * np.sin(angle) + wave
        lines = np.clip(
            1.0 - np.abs((along / period) % 1.0 - 0.5) * period / stream.uniform(0.8, 1.6), 0.0, 1.0
        )
        picture = picture - (lines * stream.uniform(0.03, 0.3) * tone)[:, :, None]
    for edge in (0.0, 1.0):  # the box to write in
        if stream.random() < 0.35:
            at = abs(edge - stream.uniform(0.0, 0.14)) * height + (x - width / 2) * stream.normal(
                0.0, 0.01
            )
            line = np.clip(stream.uniform(0.6, 2.0) - np.abs(y - at), 0.0, 1.0)
            picture = picture * (1.0 - line[:, :, None] * stream.uniform(0.3, 0.9))
    return picture.clip(0.03, 1.0).astype(np.float32)


@functools.cache
def _parsed(chain):
    """Parse a digit or a mark: list of chains (pen lifted between), each a list of float [points, 2] (a sharp turn between)."""
    return [
        [np.array(piece.split(), float).reshape(-1, 2) / 100.0 for piece in stroke.split("|")]
        for stroke in chain.split("/")
    ]


def _moved(chain, stream, unsteady):
    """Move the points of a chain as an unsteady hand does; each piece then begins where the one before it ended."""
    pieces = [piece + stream.normal(0.0, unsteady, piece.shape) for piece in chain]
    return [
        piece if not i else np.concatenate([pieces[i - 1][-1:], piece])
        for i, piece in enumerate(pieces)
    ]


def curve(points):
    """Lead a smooth curve (Catmull and Rom 1974) through float [n, 2] points; returns [7 * (n - 1), 2]."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, first, last, after = ends[:-3, None], ends[1:-2, None], ends[2:-1, None], ends[3:, None]
    t = CURVE
    bent = 2 * first + (last - before) * t + (2 * before - 5 * first + 4 * last - after) * t**2
    return (bent + (3 * (first - last) + after - before) * t**3).reshape(-1, 2) / 2
