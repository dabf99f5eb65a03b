"""Several views of one picture, whose readings are averaged: each misreads other pictures than the next.

Krizhevsky et al. 2012 (section 4.1) average five crops and their mirror images. Digits must not be mirrored; their negative is still the
same number.
"""

import numpy as np
from PIL import Image

from mtl.data.batches import centre_crop, check_images


def views(images: np.ndarray, count: int, size: int) -> list[np.ndarray]:
    """Make views of pictures.

    Args:
      images: uint8 [n, height, width, 3].
      count: int, one of config.CHOICES["views"]: 1 is the centre crop, which training's own evaluation looks at; 2 adds its negative;
        4 adds the whole picture squeezed to the crop's size, and the negative of that.
      size: int, height and width of a view in pixels.

    Returns:
      list of `count` uint8 [n, size, size, 3].
    """
    check_images(images)
    seen = [centre_crop(images, size)]
    if count >= 4:
        seen.append(np.empty_like(seen[0]))
        for small, image in zip(seen[1], images):
            small[...] = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return seen if count == 1 else seen + [255 - view for view in seen]


def average(readings: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Average the probabilities that several views of the same pictures got.

    Args:
      readings: list of dict task name -> float32 [n, classes], log probabilities.

    Returns:
      dict task name -> float32 [n, classes], log of the mean probability; of a single view its own values, bit for bit.
    """
    if len(readings) == 1:
        return readings[0]
    count = np.float32(np.log(len(readings)))
    with np.errstate(
        invalid="ignore"
    ):  # NaN of a broken network is passed on and reported by whoever measures
        return {
            name: np.logaddexp.reduce([rows[name] for rows in readings]) - count
            for name in readings[0]
        }
