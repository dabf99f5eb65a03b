"""Draw a synthetic image of an amount, handwritten on a form or a cheque."""

import numpy as np
from PIL import Image, ImageDraw

from mtl.data.drawn import paint
from mtl.data.drawn.degradation import degrade
from mtl.data.drawn.strokes import write

LENGTHS = (0.02, 0.02, 0.05, 0.14, 0.31, 0.33, 0.09, 0.04)  # shares of amounts of 0, 1, .. 7 digits
FINE = 3  # the pen draws at this many times the resolution, across and down


def number(rng: np.random.Generator) -> str:
    """Return a random amount of 0 to 7 digits, often round: with zeros at the end."""
    length = rng.choice(len(LENGTHS), p=LENGTHS)
    digits = rng.integers(0, 10, length)
    if length:
        digits[0] = rng.integers(1, 10)
        zeros = min(rng.choice([0, 1, 2, 3], p=[0.6, 0.12, 0.13, 0.15]), length - 1)
        digits[length - zeros :] = 0
    return "".join(map(str, digits))


def draw(text: str, rng: np.random.Generator, difficulty: float) -> np.ndarray:
    """Write a number on paper and photograph it.

    Args:
      text: the digits; "" for empty paper.
      rng: source of all randomness.
      difficulty: 0..1; more gives unsteadier writing, more patterns on the paper, fainter ink.

    Returns:
      uint8 [64, 64, 3].
    """
    difficulty *= rng.uniform(0.3, 1.0)  # as in drawing.draw
    strokes = write(text, rng, difficulty)
    left, top, right, bottom = _sheet(strokes, rng)
    tall = rng.uniform(34, 72)
    size = (int(np.clip(tall * (right - left) / (bottom - top), 16, 260)), int(tall))
    scale = np.array(size) * FINE / [right - left, bottom - top]
    pen_width = np.exp(rng.uniform(np.log(0.035), np.log(0.13))) * scale[1]
    lines = [(stroke - [left, top]) * scale for stroke in strokes]
    cover = _draw_lines(lines, pen_width, size, rng)

    image = paint_paper(size, rng, difficulty)
    faint = 0.75 if rng.random() < difficulty else 0.4
    tone = _grey_or_colour(image.min() * rng.uniform(0.1, faint), rng, coloured=0.4)
    gaps = np.abs(paint.smooth_noise(size, (9, 5), rng))
    worn = cover * (1.0 - gaps * rng.uniform(0.0, 0.25)).clip(0.0, 1.0)
    return degrade(paint.blend(image, tone, worn), rng, 0.4 * difficulty)


def _sheet(strokes, rng):
    """Return the part of the paper to show: left, top, right, bottom in heights of a digit."""
    if strokes:
        points = np.concatenate(strokes)
    else:
        points = np.array([[0.0, 0.0], [rng.uniform(1.0, 4.0), 1.0]])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    beside = rng.uniform(0.02, 0.35, 2)
    above, below = rng.uniform(0.02, 0.45, 2)
    return left - beside[0], top - above, right + beside[1], bottom + below


def _draw_lines(lines, width, size, rng):
    """Return the mask of pen strokes, float32 [height, width, 1], 0..1.

    Args:
      lines: list of float [points, 2], in pixels of the fine sheet.
      width: of the pen, in pixels of the fine sheet; the pressure on it varies along a line.
      size: width and height of the mask.
    """
    sheet = Image.new("L", (size[0] * FINE, size[1] * FINE))
    pen = ImageDraw.Draw(sheet)
    for line in lines:
        pressed = width * np.exp(np.cumsum(rng.normal(0.0, 0.05, len(line))))
        for start, (x, y), wide in zip(line[:-1], line[1:], pressed):
            pen.line((*start, x, y), fill=255, width=max(1, round(wide)))
            pen.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=255)
    return np.asarray(sheet.resize(size, Image.Resampling.BOX), np.float32)[:, :, None] / 255.0


def _grey_or_colour(value, rng, coloured):
    """Return a colour of a brightness, float32 [3]; coloured: the probability of a hue."""
    if rng.random() < coloured:
        return paint.colour(rng, value, realism=1.0)
    return np.full(3, value, np.float32)


def paint_paper(size: tuple[int, int], rng: np.random.Generator, difficulty: float) -> np.ndarray:
    """Return paper with the fine patterns of a cheque and the lines of a form to write on.

    Args:
      size: width and height in pixels.

    Returns:
      float32 [height, width, 3], 0..1.
    """
    width, height = size
    tone = rng.uniform(0.4, 0.97)
    tint = np.broadcast_to(_grey_or_colour(tone, rng, coloured=0.2), (height, width, 3))
    image = tint + paint.smooth_noise(size, (5, 3), rng) * rng.uniform(0.0, 0.03)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for _ in range(rng.poisson(1.4 * difficulty)):
        lines = _wavy_lines(x, y, rng)
        image = image - (lines * rng.uniform(0.03, 0.3) * tone)[:, :, None]
    for edge in (0.0, 1.0):  # the upper and the lower line of a box
        if rng.random() < 0.35:
            at = abs(edge - rng.uniform(0.0, 0.14)) * height
            at = at + (x - width / 2) * rng.normal(0.0, 0.01)
            line = np.clip(rng.uniform(0.6, 2.0) - np.abs(y - at), 0.0, 1.0)
            image = image * (1.0 - line[:, :, None] * rng.uniform(0.3, 0.9))
    return image.clip(0.03, 1.0).astype(np.float32)


def _wavy_lines(x, y, rng):
    """Return a mask of fine parallel lines, straight or wavy, [height, width] in 0..1."""
    angle, period = rng.uniform(-0.7, 0.7), rng.uniform(2.5, 9.0)
    height = rng.uniform(0.0, 3.0)
    wave = height * np.sin(x / rng.uniform(6.0, 40.0) + rng.uniform(0.0, 6.3))
    along = y * np.cos(angle) + x * np.sin(angle) + wave
    thickness = rng.uniform(0.8, 1.6)
    return np.clip(1.0 - np.abs((along / period) % 1.0 - 0.5) * period / thickness, 0.0, 1.0)
