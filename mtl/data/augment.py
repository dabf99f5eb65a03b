"""Change training pictures a little each time they are shown, so that a few thousand photographs go further."""

import numpy as np
from PIL import Image, ImageFilter

from mtl.config import CROP
from mtl.data.batches import check_images

MARGIN = 16  # pixels by which the edge is continued, for what a turn or a shrinking brings in from outside


def turn_and_slant(turn, slant):
    """Return float [2, 2]: a slant (x moves by `slant` times y), then a turn (radians)."""
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[1.0, slant], [0.0, 1.0]]
    )


def changed_crops(images, indices, stream, strength, size=CROP):
    """Cut one random square out of each of the chosen images, turned, slanted, stretched, recoloured and blurred a little.

    Args:
      images: uint8 [n, height, width, 3].
      indices: int [batch], which images.
      stream: np.random.Generator, which decides everything.
      strength: float in (0, 1], 1 is as much as photographs of house numbers differ.
      size: int, pixels.

    Returns:
      uint8 [batch, size, size, 3].
    """
    check_images(images)
    crops = np.empty((len(indices), size, size, images.shape[3]), np.uint8)
    for crop, index in zip(crops, indices):
        flat = _seen_anew(images[index], stream, strength, size)
        if stream.random() < 0.3 * strength:
            flat = flat.filter(ImageFilter.GaussianBlur(stream.uniform(0.3, 1.5)))
        crop[...] = _relit(np.asarray(flat, np.float32), stream, strength)
    return crops


def _seen_anew(image, stream, strength, size):
    """Cut a square out of an image, turned, slanted and stretched about a random centre; the edge's pixels continue beyond it."""
    height, width = image.shape[:2]
    turn, slant = stream.normal(0.0, 0.07, 2) * strength
    stretch = np.exp(stream.normal(0.0, 0.10, 2) * strength)
    matrix = np.diag(stretch) @ turn_and_slant(turn, slant)
    room = np.array([width - size, height - size]) / 2
    centre = np.array([width, height]) / 2 + MARGIN + stream.uniform(-1.0, 1.0, 2) * room
    start = centre - matrix @ np.array([size / 2, size / 2])
    padded = Image.fromarray(np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "edge"))
    rows = (matrix[0, 0], matrix[0, 1], start[0], matrix[1, 0], matrix[1, 1], start[1])
    return padded.transform((size, size), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)


def _relit(picture, stream, strength):
    """Change contrast, brightness and the colour of the light; one picture in four (of strength 1) turns into its negative."""
    mean = picture.mean()
    gains = np.exp(stream.normal(0.0, 0.3 * strength) + stream.normal(0.0, 0.06 * strength, 3))
    picture = (
        (picture - mean) * gains.astype(np.float32)
        + mean
        + np.float32(stream.normal(0.0, 20.0 * strength))
    )
    if stream.random() < 0.25 * strength:
        picture = 255.0 - picture
    return picture.clip(0.0, 255.0)
