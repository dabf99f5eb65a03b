"""Adapt images to the size, channels and type that a network takes."""

import numpy as np
from PIL import Image

from mtl.errors import DataError, shown
from mtl.inputs import Inputs


def adapted(images: np.ndarray, inputs: Inputs) -> np.ndarray:
    """Return images in the shape and type of some inputs; unchanged if they have both.

    The aspect ratio is not preserved. Shrinking averages all pixels.

    Args:
      images: uint8, or float32 in 0..1 [n, height, width, channels], with 1 or 3 channels.
      inputs: of images.
    """
    if images.shape[1:] == inputs.shape and images.dtype == inputs.dtype:
        return images
    found = np.empty((len(images), *inputs.shape), inputs.dtype)
    for target, image in zip(found, images):
        resized = _resized(image, inputs.shape[:2])
        target[...] = _with_type(_with_channels(resized, inputs.shape[2]), inputs.dtype)
    return found


def _resized(image, size):
    """Resize an image [height, width, channels] to (height, width)."""
    if image.shape[:2] == size:
        return image
    bands = [Image.fromarray(image[:, :, channel]) for channel in range(image.shape[2])]
    height, width = size
    resized = [band.resize((width, height), Image.Resampling.BILINEAR) for band in bands]
    return np.stack([np.asarray(band) for band in resized], axis=2)


def _with_channels(image, channels):
    """Convert an image between grey and RGB."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    # The luma of ITU-R BT.601, as Pillow's mode L.
    grey = image @ np.array([0.299, 0.587, 0.114])
    return (np.rint(grey) if image.dtype == np.uint8 else grey)[:, :, None].astype(image.dtype)


def _with_type(image, dtype):
    """Convert pixels between uint8 and float32 in 0..1."""
    if image.dtype == dtype:
        return image
    if dtype == "uint8":
        return np.rint(255 * image).astype(np.uint8)
    return image.astype(np.float32) / 255


def delivered(
    path: str, values: np.ndarray, inputs: Inputs | None = None, window: int = 0
) -> np.ndarray:
    """Return images or features as a run takes them.

    Args:
      path: the file, for errors.
      values: images or features, see Examples.
      inputs: of the run; None if the data decides.
      window: height and width to resize images to if the data decides; 0 keeps their size.

    Raises:
      DataError: the run takes images, but these are features, or the reverse; or another number of
        features.
    """
    shape = values.shape[1:]
    if inputs is None and window and len(shape) == 3:
        inputs = Inputs((window, window, shape[2]), 0, values.dtype.name)
    if inputs is None:
        return values
    check_rank(path, Inputs(shape, 0, values.dtype.name), inputs)
    return adapted(values, inputs) if inputs.is_images else values


def check_rank(path: str, found: Inputs, inputs: Inputs) -> None:
    """Raise DataError if inputs cannot be adapted to others: only images can be resized."""
    if found.is_images and inputs.is_images:
        return
    if found.shape != inputs.shape:
        what = f"has {found.text}, but the network takes {inputs.text}"
        raise DataError(f"{shown(path)}: {what}; use the same inputs as in training")
