"""Draw a synthetic image of a house number.

The distance fields of the digits are placed on a line in the text plane, which a camera views at a
random angle. The distance to the nearest outline gives the share of a pixel that a digit covers.
The digits are painted over a background, and the result is degraded like a photograph.
"""

import numpy as np

from mtl.data.drawn.background import paint_background
from mtl.data.drawn.camera import Shot, choose_view
from mtl.data.drawn.degradation import degrade
from mtl.data.drawn.glyphs import Glyphs
from mtl.data.drawn.ink import paint_digits
from mtl.data.drawn.layout import lay_out


def draw(text: str, rng: np.random.Generator, difficulty: float, glyphs: Glyphs) -> np.ndarray:
    """Draw a house number.

    Args:
      text: the digits; "" for a background without a number.
      rng: source of all randomness.
      difficulty: 0..1.

    Returns:
      uint8 [64, 64, 3].
    """
    # Training needs easy images, to learn the digits, and hard ones, to learn how photographs look.
    difficulty *= rng.uniform(0.3, 1.0)
    field, box = lay_out(text, rng, difficulty, glyphs)
    view = choose_view(box, rng, difficulty)
    size = _choose_size(text, view, rng, difficulty)
    image = paint_background(size, rng, difficulty)
    if text:
        shot = Shot(field, view.corners, size, scale=size[1] / view.height)
        image = paint_digits(image, shot, rng, difficulty)
    return degrade(image, rng, difficulty)


def _choose_size(text, view, rng, difficulty):
    """Return a random width and height of the photograph: from barely legible to sharp."""
    least, most = 48 - 36 * difficulty, 64 - 12 * difficulty
    height = np.exp(rng.uniform(np.log(least), np.log(most))) * (1.0 if len(text) < 4 else 1.3)
    width = height * view.width / view.height
    return int(min(max(width, 8), 128)), int(min(max(height, 8), 96))
