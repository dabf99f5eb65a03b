"""Backgrounds of numbers: walls with spots, lines, plates and bars."""

import numpy as np

from mtl.data.drawn import paint
from mtl.data.drawn.realism import realism_of


def paint_background(
    size: tuple[int, int], rng: np.random.Generator, difficulty: float
) -> np.ndarray:
    """Return a random background, float32 [height, width, 3], mostly in 0..1.

    Args:
      size: width and height in pixels.
    """
    width, height = size
    realism = realism_of(difficulty)
    tone = paint.colour(rng, rng.uniform(0.04, 0.96), realism)
    image = np.tile(tone, (height, width, 1))
    spots = paint.smooth_noise(size, rng.integers(2, 9, 2), rng)
    image += spots * rng.exponential(0.035) * difficulty
    if rng.random() < 0.25 * difficulty:
        image += _lines(size, rng)
    if rng.random() < 0.3 * difficulty:
        image = _with_plate(image, rng, realism)
    for _ in range(rng.poisson(0.5 * difficulty)):
        _add_bar(image, rng, realism)
    return image


def _lines(size, rng):
    """Return a texture of parallel lines: boards, bricks or blinds; [height, width, 1]."""
    width, height = size
    period = rng.uniform(4.0, 14.0)
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0.0, 0.1)
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    along = x * np.cos(angle) + y * np.sin(angle)
    lines = np.abs((along / period + rng.random()) % 1.0 - 0.5) < rng.uniform(0.03, 0.3)
    return (lines * rng.normal(0.0, 0.12))[:, :, None]


def _with_plate(image, rng, realism):
    """Turn the image into a plate: another colour outside its edge, and sometimes a visible rim."""
    height, width = image.shape[:2]
    size = (width, height)
    inside = paint.rectangle(size, rng.uniform(0.0, 0.16, 4), rng.choice([2.0, 2.0, 8.0]))
    if rng.random() < 0.2 + 0.1 * realism:
        inside = paint.ellipse(size, rng.uniform(0.42, 0.6, 2))
    image = image * inside + paint.colour(rng, rng.random(), realism) * (1.0 - inside)
    if rng.random() < 0.4:
        rim = inside - paint.rectangle(size, rng.uniform(0.0, 0.16, 4) + 0.05, 8.0)
        image = image + np.clip(rim, 0.0, 1.0) * rng.normal(0.0, 0.3)
    return image


def _add_bar(image, rng, realism):
    """Paint a bar across the image, in place: a frame, a plate's edge or a cable."""
    height, width = image.shape[:2]
    tone = paint.colour(rng, rng.random(), realism)
    position = np.abs(rng.beta(0.5, 0.5))  # mostly near the edges of the image
    thickness = rng.uniform(0.02, 0.16)
    if rng.random() < 0.6:
        first = int(position * width)
        image[:, first : first + max(1, int(thickness * width))] = tone
    else:
        first = int(position * height)
        image[first : first + max(1, int(thickness * height))] = tone
