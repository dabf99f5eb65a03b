"""Decode the images of a request as `mtl predict` does, within a limit of pixels."""

import contextlib
import ctypes
import io
import logging
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mtl.data import image_files, images
from mtl.errors import DataError
from mtl.inputs import Inputs
from mtl.serving.refusals import bad, too_large


def silence() -> None:
    """Let Pillow and libtiff write nothing about broken images to stderr, in this process.

    Their lines contain values of the images, and one image can cause thousands of them.
    """
    # images.read also ignores warnings, but threads do so in each other's way.
    warnings.simplefilter("ignore")
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    # libtiff has no other switch. Without libtiff, there is no such function.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


def windows(files: Sequence[bytes], inputs: Inputs, megapixels: int) -> np.ndarray:
    """Decode images and resize them to the window.

    Args:
      files: the bytes of n image files.
      inputs: what the network takes.
      megapixels: millions of pixels that all images may have together.

    Returns:
      [n, *inputs.shape] of type inputs.dtype.

    Raises:
      Refused: an image is broken or in an unknown format, or there are too many pixels.
    """
    # Before any is decoded: a small file may decode to gigabytes.
    pixels = sum(map(_pixels, files))
    if pixels > megapixels * 10**6:
        what = f"the images have {pixels / 10**6:.1f} million pixels"
        raise too_large(f"{what}, but the limit is {megapixels} million; scale them down")
    found = np.empty((len(files), *inputs.shape), inputs.dtype)
    for index, file in enumerate(files):
        try:
            image = images.read(f"image {index}", io.BytesIO(file))
        except DataError as error:
            raise bad(str(error)) from None
        found[index] = images.window(image, inputs=inputs)
    return found


def _pixels(file):
    """Return the pixels of an image by its header; 0 if it cannot be read: `windows` says why."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(file), formats=image_files.FORMATS) as image:
                return image.size[0] * image.size[1]
        except Exception:  # for a broken file, Pillow raises nearly any exception
            return 0
