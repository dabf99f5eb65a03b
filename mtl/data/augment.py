"""Data augmentation: random changes of training images, for small datasets of photographs."""

import functools

import numpy as np
from PIL import Image, ImageFilter

from mtl.data.batches import random_crops
from mtl.inputs import NUMBERS

MARGIN = 16  # pixels of padding, for the parts of a turned crop that lie outside the image


def crops(strength, inputs=NUMBERS):
    """Return the function (inputs, indices, rng, keep=slice) -> crops of a training source.

    Args:
      strength: float in [0, 1], see `changed_crops`; 0 only crops.
      inputs: inputs.Inputs.

    Raises:
      ValueError: strength is above 0, but the inputs are not uint8 images.
    """
    if not strength:
        return functools.partial(random_crops, size=inputs.crop)
    if inputs.dtype != "uint8":
        what = f"--augment={strength} changes uint8 images, not {inputs.text}"
        raise ValueError(f"{what}; remove the flag, or store the images as uint8")
    return functools.partial(changed_crops, strength=strength, size=inputs.network_shape[:2])


def turn_and_slant(turn, slant):
    """Return the matrix, float [2, 2], of a slant (x moves by `slant` times y), then a turn.

    Args:
      turn: float, radians.
      slant: float.
    """
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return turned @ np.array([[1.0, slant], [0.0, 1.0]])


def changed_crops(
    images, indices, rng, strength, size=NUMBERS.network_shape[:2], keep=slice(None)
):
    """Return a random crop of each chosen image: rotated, sheared, stretched, relit and blurred.

    Each image takes a varying number of random numbers. So a part that begins later in the batch
    has other changes than it would have in the whole batch.

    Args:
      images: uint8 [n, height, width, channels], with 1 or 3 channels.
      indices: int [batch], the chosen images.
      rng: np.random.Generator.
      strength: float in (0, 1]; 1 is the variation of photographs of house numbers.
      size: (height, width) of a crop in pixels.
      keep: slice, which of the chosen images are wanted.

    Returns:
      uint8 [batch, *size, channels]; batch: images in `keep`.
    """
    if keep.start:
        rng = np.random.Generator(rng.bit_generator.jumped(keep.start))
    indices = indices[keep]
    crops = np.empty((len(indices), *size, images.shape[3]), np.uint8)
    blurred = min(1.0, min(size) / NUMBERS.crop)  # a small image is blurred less
    for crop, index in zip(crops, indices):
        changed = _warped_crop(images[index], rng, strength, size)
        if rng.random() < 0.3 * strength:
            changed = changed.filter(ImageFilter.GaussianBlur(blurred * rng.uniform(0.3, 1.5)))
        pixels = np.asarray(changed, np.float32).reshape(crop.shape)
        crop[...] = _relit(pixels, rng, strength)
    return crops


def _warped_crop(image, rng, strength, size):
    """Return a part around a random centre, turned, slanted and stretched, as a PIL image."""
    height, width, channels = image.shape
    size = np.array(size[::-1])  # width, height
    turn, slant = rng.normal(0.0, 0.07, 2) * strength
    stretch = np.exp(rng.normal(0.0, 0.10, 2) * strength)
    matrix = np.diag(stretch) @ turn_and_slant(turn, slant)
    play = (np.array([width, height]) - size) / 2
    centre = np.array([width, height]) / 2 + MARGIN + rng.uniform(-1.0, 1.0, 2) * play
    start = centre - matrix @ (size / 2)
    padded = np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "edge")
    padded = Image.fromarray(padded if channels == 3 else padded[:, :, 0])
    rows = (matrix[0, 0], matrix[0, 1], start[0], matrix[1, 0], matrix[1, 1], start[1])
    return padded.transform(
        tuple(size.tolist()), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR
    )


def _relit(image, rng, strength):
    """Change contrast, brightness and colour; at strength 1, invert one image in four."""
    mean = image.mean()
    gains = np.exp(
        rng.normal(0.0, 0.3 * strength) + rng.normal(0.0, 0.06 * strength, image.shape[2])
    )
    shift = np.float32(rng.normal(0.0, 20.0 * strength))
    image = (image - mean) * gains.astype(np.float32) + mean + shift
    if rng.random() < 0.25 * strength:
        image = 255.0 - image
    return image.clip(0.0, 255.0)
