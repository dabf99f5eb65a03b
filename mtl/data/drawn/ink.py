"""Paint the digits over a background: their weight, colour, shadow, outline and wear."""

import numpy as np

from mtl.data.drawn import paint
from mtl.data.drawn.camera import Shot
from mtl.data.drawn.realism import realism_of


def paint_digits(
    image: np.ndarray, shot: Shot, rng: np.random.Generator, difficulty: float
) -> np.ndarray:
    """Return an image with digits painted over it.

    Args:
      image: the background, float32 [height, width, 3].
      shot: of the line of digits, as large as the background.
    """
    realism = realism_of(difficulty)
    weight = _choose_weight(shot, rng, difficulty)
    distance = shot.distance() + weight
    tone = paint.colour(rng, _choose_brightness(image, rng, difficulty), realism)
    if rng.random() < 0.25:
        image = _with_shadow(image, shot, weight, rng, realism)
    if rng.random() < 0.15:
        outline = paint.coverage(distance + rng.uniform(0.6, 2.5), shot.scale)
        image = paint.blend(image, paint.colour(rng, rng.random(), realism), outline)
    wear = paint.smooth_noise(shot.size, rng.integers(2, 7, 2), rng)
    body = tone + wear * rng.exponential(0.04) * difficulty
    if rng.random() < 0.12:  # an edge in the light, brighter or darker than the body
        edge = paint.coverage(rng.uniform(1.0, 2.5) - distance, shot.scale)
        body = body + edge * rng.normal(0.0, 0.25)
    return paint.blend(image, body, paint.coverage(distance, shot.scale))


def _choose_weight(shot, rng, difficulty):
    """Return the added boldness in pixels of the text plane: a number, or float [height, width]."""
    realism = realism_of(difficulty)
    weight = rng.normal(0.0, 0.35 - 0.15 * realism)
    if realism:
        # House numbers are bold: thin faces get bolder. The boldest get thinner, or holes close.
        half = (float(shot.field.max()) - 128.0) / 16.0
        weight += realism * np.clip(0.7 * (rng.normal(2.4, 0.4) - half), -0.6, 1.2)
        uneven = paint.smooth_noise(shot.size, rng.integers(3, 12, 2), rng)[:, :, 0]
        weight = weight + rng.exponential(0.25) * difficulty * uneven
    return weight


def _choose_brightness(image, rng, difficulty):
    """Return a brightness for the digits, in 0..1, that contrasts with the background."""
    behind = float(image.mean())
    contrast = 0.45 - 0.30 * difficulty
    values = rng.uniform(0.0, 1.0, 16).tolist()
    values = [value for value in values if abs(value - behind) >= contrast]
    opposite = float(behind < 0.5)
    if rng.random() < 0.4:
        return opposite * 0.95 + 0.03  # plain black or white
    return values[0] if values else opposite


def _with_shadow(image, shot, weight, rng, realism):
    """Return the image with a shadow of the digits, or with the sides of raised digits."""
    offset = rng.uniform(-3.0, 3.0, 2)
    strength = rng.uniform(0.2, 0.9)
    distance = shot.distance(offset) + weight
    cast = paint.coverage(distance, shot.scale * rng.uniform(0.3, 1.0))
    tone = paint.colour(rng, rng.choice([0.02, 0.95], p=[0.8, 0.2]), realism)
    return image * (1.0 - cast * strength) + tone * cast * strength
