"""Read pictures from files, and cut a number out of a picture."""

import os
import warnings
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from mtl.config import WINDOW
from mtl.errors import DataError

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels from the upper left corner

# Decoded, 64 megapixels take 192 MB, and copies of it the same again: more than any camera frame of a house needs, and a file of a few
# kilobytes may claim to hold more. The size stands in the header, so nothing is decoded to find out.
MAX_PIXELS = 64_000_000

# What people keep photographs in. Not all that Pillow knows: it would run Ghostscript on a PostScript file, for one.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")

GROWTH = 1.3  # of the box of all digits, in width and height (Goodfellow et al. 2013, section 5.1)

# Transparent parts become mid grey: digits drawn on nothing stay visible whether they are dark or light.
_BACKDROP = (128, 128, 128, 255)


def read(path: str, file: BinaryIO | None = None) -> Image.Image:
    """Read a picture file as a person would see it.

    Args:
      path: str, a file in one of FORMATS; of several frames the first is taken.
      file: binary file that holds the picture where `path` is only what errors call it; None opens `path`.

    Returns:
      PIL image of mode RGB: turned upright by its EXIF orientation, transparent parts on mid grey.

    Raises:
      DataError: the file is missing, not a picture, broken, or larger than MAX_PIXELS.
    """
    if file is None and not os.path.isfile(path):  # opening a pipe would wait for its writer
        raise DataError(f"{path}: {'not a file' if os.path.exists(path) else 'no such file'}: give the path of a PNG or JPEG picture")
    with warnings.catch_warnings():
        # Pillow warns of large pictures, odd EXIF data and the like; what matters here is raised or mended.
        warnings.simplefilter("ignore")
        try:
            with Image.open(file or path, formats=FORMATS) as picture:
                width, height = picture.size
                if 0 < width * height <= MAX_PIXELS:
                    return _rgb(_upright(picture))
        except Image.DecompressionBombError:  # Pillow has a limit of its own, about three times ours
            width, height = 0, MAX_PIXELS
        except Image.UnidentifiedImageError:
            empty = file is None and os.path.getsize(path) == 0
            raise DataError(f"{path}: {'an empty file' if empty else 'not a picture, or cut short'}: save it anew as PNG or JPEG") from None
        except Exception as error:
            # A broken file makes Pillow's decoders raise nearly anything: OSError, SyntaxError, struct.error, ValueError, EOFError, ...
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{path}: the picture cannot be decoded ({reason}): save it anew as PNG or JPEG") from None
    size = f"{width} x {height}" if width else "far too many"
    raise DataError(f"{path}: {size} pixels, and pictures of 1 to {MAX_PIXELS // 10**6} million are read: scale it down")


def _upright(picture):
    """Turn a picture by its EXIF orientation; where the EXIF data is broken the picture stays as it is."""
    picture.load()  # first: what cannot be decoded must not be taken for broken EXIF data
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _rgb(picture):
    """Convert a picture of any mode to RGB."""
    if picture.mode.startswith("I"):
        # Grey of 16 bits, which Pillow would clip at 255 rather than scale.
        picture = Image.fromarray((np.clip(np.asarray(picture, np.float64), 0, 65535) / 257 + 0.5).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, _BACKDROP), picture)
    return picture.convert("RGB")


def window(picture: Image.Image, box: Box | None = None) -> np.ndarray:
    """Cut a box out of a picture and resize it to the window.

    Args:
      picture: PIL image of mode RGB.
      box: left, top, right, bottom in pixels, fractions allowed, clipped to the picture; None is the whole picture.

    Returns:
      uint8 [WINDOW, WINDOW, 3], averaged over as many pixels as are shrunk into one; the sides' ratio is not kept.

    Raises:
      ValueError: nothing of the box lies within the picture.
    """
    if box is not None:
        left, top, right, bottom = box
        clipped = (max(left, 0.0), max(top, 0.0), min(right, float(picture.width)), min(bottom, float(picture.height)))
        if not (clipped[0] < clipped[2] and clipped[1] < clipped[3]):  # written so that NaN ends here too
            size = f"{picture.width} x {picture.height}"
            raise ValueError(f"the box {left:g}, {top:g}, {right:g}, {bottom:g} lies outside the picture of {size}")
        box = clipped
    return np.array(picture.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR, box=box))


def grown(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around all boxes, grown to GROWTH times its width and height about its centre.

    Args:
      boxes: at least one of left, top, right, bottom in pixels.

    Returns:
      left, top, right, bottom in pixels; it may reach beyond the picture.
    """
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    extra_x, extra_y = (GROWTH - 1) / 2 * (right - left), (GROWTH - 1) / 2 * (bottom - top)
    return left - extra_x, top - extra_y, right + extra_x, bottom + extra_y
