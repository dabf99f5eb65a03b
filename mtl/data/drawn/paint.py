"""Colours, noise and soft shapes, to paint backgrounds, digits and paper.

Images are float32 [height, width, 3] in 0..1. Masks are float32 [height, width, 1] in 0..1. A size
is (width, height) in pixels.
"""

import numpy as np
from PIL import Image

from mtl.data.drawn.chance import choose, cumulative

_HUES = cumulative([0.4, 0.3, 0.3])  # brownish, bluish, any
_PHASES = np.array([0.0, 4.0, 2.0])  # of red, green and blue on the colour circle
_BRIGHTNESS = np.array([0.3, 0.6, 0.1])  # shares of red, green and blue


def blend(image: np.ndarray, paint: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Return an image covered with paint; cover is the covered share of each pixel, 0..1."""
    cover = np.repeat(cover, image.shape[2], axis=2)  # faster than broadcasting the last axis
    return image * (1.0 - cover) + paint * cover


def colour(rng: np.random.Generator, value: float, realism: float) -> np.ndarray:
    """Return a random colour, float32 [3], of brightness `value` or a little darker.

    Most colours are grey, brownish or bluish. Vivid colours are rare, and rarer at realism 1.
    """
    if rng.random() > 0.25 - 0.13 * realism:
        saturation = rng.beta(1.0, 4.0)
    else:
        saturation = rng.uniform(0.3, 1.0)
    hues = [rng.normal(0.08, 0.05), rng.normal(0.6, 0.06), rng.random()]
    hue = hues[choose(rng, _HUES)]
    rgb = (np.abs((hue * 6.0 + _PHASES) % 6.0 - 3.0) - 1.0).clip(0.0, 1.0)
    tinted = 1.0 - saturation * (1.0 - rgb)
    return (value * tinted / max(tinted @ _BRIGHTNESS, 0.35)).clip(0.0, 1.0).astype(np.float32)


def smooth_noise(
    size: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return normal noise, float32 [height, width, 1], interpolated from a coarse grid.

    Args:
      size: width and height of the noise.
      cells: width and height of the grid.
    """
    coarse = Image.fromarray(rng.normal(0.0, 1.0, (cells[1], cells[0])).astype(np.float32))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))[:, :, None]


def coverage(distance: np.ndarray, scale: float) -> np.ndarray:
    """Return the mask of a shape.

    Args:
      distance: float [height, width], signed distance to the outline, positive inside the shape.
      scale: float, pixels for a unit of distance.
    """
    return np.clip(0.5 + distance * scale, 0.0, 1.0)[:, :, None]


def rectangle(size: tuple[int, int], margins: np.ndarray, sharpness: float) -> np.ndarray:
    """Return the mask of a rectangle with a soft edge.

    Args:
      size: width and height of the mask.
      margins: left, top, right, bottom as shares of the width and height.
      sharpness: 4 gives an edge one pixel wide; a larger value is sharper.
    """
    width, height = size
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    across = np.minimum(x - margins[0], 1.0 - margins[2] - x) * width
    down = np.minimum(y - margins[1], 1.0 - margins[3] - y) * height
    inside = np.minimum(across[None, :], down[:, None])
    return np.clip(inside * sharpness / 4.0 + 0.5, 0.0, 1.0)[:, :, None].astype(np.float32)


def ellipse(size: tuple[int, int], radii: np.ndarray) -> np.ndarray:
    """Return the mask of a centred upright ellipse; radii are shares of the width and height."""
    width, height = size
    x = (np.arange(width) + 0.5) / width - 0.5
    y = (np.arange(height) + 0.5) / height - 0.5
    inside = 1.0 - np.hypot(x[None, :] / radii[0], y[:, None] / radii[1])
    return np.clip(inside * min(size) / 3.0 + 0.5, 0.0, 1.0)[:, :, None].astype(np.float32)
