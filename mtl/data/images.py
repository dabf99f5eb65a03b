"""Read image files, and cut the window of a number out of an image."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from mtl.data import adapt, foreign, image_files
from mtl.data.image_files import FORMATS, MAX_PIXELS
from mtl.errors import DataError, shown
from mtl.inputs import NUMBERS, Inputs

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels from the upper left

GROWTH = 1.3  # of the box of all digits, in width and height (Goodfellow et al. 2013, section 5.1)

# 16-bit grey to 8-bit grey, rounded: 65535 / 257 = 255.
_EIGHT_BITS = ((np.arange(65536) + 128) // 257).astype(np.uint8)

# The values that programs use for white in images of floats.
_FLOAT_WHITES = (1.0, 255.0, 65535.0)

# Mid grey behind transparent parts: both dark and light digits stay visible.
_BACKDROP = (128, 128, 128, 255)


# -- decoding --------------------------------------------------------------------------------------


def read(
    path: str, file: BinaryIO | None = None, say: Callable[[str], None] | None = None
) -> Image.Image:
    """Read an image as a viewer shows it: upright, with transparent parts on mid grey.

    Args:
      path: a file in one of FORMATS. If it has several frames, the first is read.
      file: binary file to read instead, which can seek; `path` is then only the name in errors.
      say: function str -> None, called with one line if the file has several frames.

    Returns:
      PIL image of mode RGB.

    Raises:
      DataError: the file is missing, not an image, broken, or larger than MAX_PIXELS or MAX_BYTES.
    """
    if file is None:
        image_files.check(path)
    name = shown(path)
    with warnings.catch_warnings():
        # Pillow warns about large images, odd EXIF data and more. Real faults raise DataError here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(file or path, formats=FORMATS) as image:
                width, height = image.size
                if 0 < width * height <= MAX_PIXELS:
                    converted = _rgb(_upright(image))
                    if say is not None and _has_more(image):
                        say(f"{name}: has several frames or pages; only the first is read")
                    return converted
            size = f"{width} x {height}"
        except Image.DecompressionBombError:  # Pillow's own limit, about three times ours
            size = "far too many"
        except Image.UnidentifiedImageError:
            raise DataError(f"{name}: {_other_format(path, file)}") from None
        except PermissionError:
            raise DataError(f"{name}: no permission to read it; change its permissions") from None
        except Exception as error:
            # For a broken file, Pillow's decoders raise nearly any exception.
            reason = " ".join(str(error).split()) or type(error).__name__
            cure = "save it again as PNG or JPEG"
            raise DataError(f"{name}: the image cannot be decoded ({reason}); {cure}") from None
    limits = f"an image may have 1 to {MAX_PIXELS // 10**6} million"
    raise DataError(f"{name}: {size} pixels, but {limits}; scale it down")


def _has_more(image):
    """Return whether an image has frames or pages that are not read.

    The second image in a JPEG of a phone (MPO) does not count: viewers do not show it either.
    """
    try:
        return image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception:  # the first frame was read; a later one is broken
        return False


def _other_format(path, file):
    """Return the fault and the cure of a file that is in none of FORMATS."""
    if file is None:
        with open(path, "rb") as opened:
            head = opened.read(foreign.HEAD)
    else:
        file.seek(0)
        head = file.read(foreign.HEAD)
    found = foreign.kind(head, path)
    if found is None:
        return "not an image of a known format, or truncated; save it again as PNG or JPEG"
    return f"{found.what}; {found.cure}"


def _upright(image):
    """Turn an image by its EXIF orientation. Broken EXIF data is ignored."""
    image.load()  # outside the try: an image that cannot be decoded is not broken EXIF data
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # exif_transpose would copy it
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _rgb(image):
    """Convert an image of any mode to RGB."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        if image.mode != "RGBA":
            image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _BACKDROP), image)
    return image.convert("RGB")


def _eight_bits(values):
    """Scale grey values of 16 bits, or floats, to 8 bits. Pillow would clip them at 255."""
    if values.dtype.kind != "f":
        return _EIGHT_BITS[np.clip(values, 0, 65535)]
    largest = float(np.max(values, where=np.isfinite(values), initial=0.0))
    # The file does not store which value is white, so choose the smallest usual one that fits.
    # Sharpening overshoots white, so values up to twice as large fit too.
    white = next((white for white in _FLOAT_WHITES if largest < 2 * white), largest)
    scaled = np.nan_to_num(values, nan=0.0, posinf=white, neginf=0.0)
    np.clip(scaled, 0.0, white, out=scaled)  # in place: a copy of a large image takes 256 MB
    scaled *= 255.0 / white
    return np.rint(scaled, out=scaled).astype(np.uint8)


# -- windows ---------------------------------------------------------------------------------------


def window(image: Image.Image, box: Box | None = None, inputs: Inputs = NUMBERS) -> np.ndarray:
    """Cut a box out of an image and resize it to the window.

    Args:
      image: PIL image of mode RGB.
      box: in pixels, fractions allowed, clipped to the image; None is the whole image.
      inputs: what the network takes. Their shape, without the crop, is the window.

    Returns:
      array of the shape and type of `inputs`. The aspect ratio is not preserved. Shrinking averages
      all pixels.

    Raises:
      ValueError: the box lies outside the image.
    """
    if box is not None:
        box = clipped(box, image.size)
    height, width = inputs.shape[:2]
    resized = np.array(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
    return adapt.adapted(resized[None], inputs)[0]


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """Return the part of a box that lies within an image.

    Args:
      size: width, height of the image in pixels.

    Raises:
      ValueError: the box is not finite, has no width or height, or lies outside the image.
    """
    left, top, right, bottom = box
    width, height = size
    what = f"the box from {left:g}, {top:g} to {right:g}, {bottom:g}"
    if not all(map(math.isfinite, box)):
        raise ValueError(f"{what} is not finite")
    for side, near, far in (("width", left, right), ("height", top, bottom)):
        if near == far:
            raise ValueError(f"{what} has no {side}")
        if near > far:
            raise ValueError(f"{what} has a negative {side}")
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError(f"{what} lies outside the image of {width} x {height}")
    return inside


def grown(boxes: Sequence[Box]) -> Box:
    """Return the box around all boxes (at least one), grown about its centre by the factor GROWTH.

    It may extend beyond the image.
    """
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    extra_x = (GROWTH - 1) / 2 * (right - left)
    extra_y = (GROWTH - 1) / 2 * (bottom - top)
    return left - extra_x, top - extra_y, right + extra_x, bottom + extra_y
