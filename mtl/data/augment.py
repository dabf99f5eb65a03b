"""Data augmentation: random changes of training images, for small datasets of photographs."""

import functools

import numpy as np
from PIL import Image, ImageFilter

from mtl.config import CROP
from mtl.data.batches import check_images, random_crops

MARGIN = 16  # pixels of padding, for the parts of a turned crop that lie outside the image


def crops(strength):
    """Return the function (images, indices, rng) -> crops of a training source.

    Args:
      strength: float in [0, 1], see `changed_crops`; 0 only crops.
    """
    if strength:
        return functools.partial(changed_crops, strength=strength)
    return random_crops


def turn_and_slant(turn, slant):
    """Return the matrix, float [2, 2], of a slant (x moves by `slant` times y), then a turn.

    Args:
      turn: float, radians.
      slant: float.
    """
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return turned @ np.array([[1.0, slant], [0.0, 1.0]])


def changed_crops(images, indices, rng, strength, size=CROP):
    """Return a random crop of each chosen image: rotated, sheared, stretched, relit and blurred.

    Args:
      images: uint8 [n, height, width, 3].
      indices: int [batch], the chosen images.
      rng: np.random.Generator.
      strength: float in (0, 1]; 1 is the variation of photographs of house numbers.
      size: int, height and width of a crop in pixels.

    Returns:
      uint8 [batch, size, size, 3].
    """
    check_images(images)
    crops = np.empty((len(indices), size, size, images.shape[3]), np.uint8)
    for crop, index in zip(crops, indices):
        changed = _warped_crop(images[index], rng, strength, size)
        if rng.random() < 0.3 * strength:
            changed = changed.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
        crop[...] = _relit(np.asarray(changed, np.float32), rng, strength)
    return crops


def _warped_crop(image, rng, strength, size):
    """Return a square around a random centre, turned, slanted and stretched, as a PIL image."""
    height, width = image.shape[:2]
    turn, slant = rng.normal(0.0, 0.07, 2) * strength
    stretch = np.exp(rng.normal(0.0, 0.10, 2) * strength)
    matrix = np.diag(stretch) @ turn_and_slant(turn, slant)
    play = np.array([width - size, height - size]) / 2
    centre = np.array([width, height]) / 2 + MARGIN + rng.uniform(-1.0, 1.0, 2) * play
    start = centre - matrix @ np.array([size / 2, size / 2])
    padded = Image.fromarray(np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "edge"))
    rows = (matrix[0, 0], matrix[0, 1], start[0], matrix[1, 0], matrix[1, 1], start[1])
    return padded.transform((size, size), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)


def _relit(image, rng, strength):
    """Change contrast, brightness and colour; at strength 1, invert one image in four."""
    mean = image.mean()
    gains = np.exp(rng.normal(0.0, 0.3 * strength) + rng.normal(0.0, 0.06 * strength, 3))
    shift = np.float32(rng.normal(0.0, 20.0 * strength))
    image = (image - mean) * gains.astype(np.float32) + mean + shift
    if rng.random() < 0.25 * strength:
        image = 255.0 - image
    return image.clip(0.0, 255.0)
