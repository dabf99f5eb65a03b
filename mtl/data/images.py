"""Find pictures, read them from files, and cut a number out of a picture."""

import functools
import glob
import math
import os
import warnings
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from mtl.config import WINDOW
from mtl.errors import DataError

Box = tuple[
    float, float, float, float
]  # left, top, right, bottom in pixels from the upper left corner

# Decoded, 64 megapixels take 256 MB (Pillow spends four bytes on each), and two to five times as much while they are turned into RGB: more
# than any camera frame of a house needs, and a file of a few kilobytes may claim to hold more. The size stands in the header, so nothing is
# decoded to find out.
MAX_PIXELS = 64_000_000

# Of a file: as much as so many pixels take without any compression. Pillow reads into memory what a part of a file claims to hold.
MAX_BYTES = 4 * MAX_PIXELS

# What people keep photographs in. Not all that Pillow knows: it would run Ghostscript on a PostScript file, for one.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")

GROWTH = 1.3  # of the box of all digits, in width and height (Goodfellow et al. 2013, section 5.1)

# Grey of 16 bits to grey of 8, rounded: 65535 / 257 = 255.
_EIGHT_BITS = ((np.arange(65536) + 128) // 257).astype(np.uint8)

# What programs that write floats take for white.
_FLOAT_WHITES = (1.0, 255.0, 65535.0)

# Transparent parts become mid grey: digits drawn on nothing stay visible whether they are dark or light.
_BACKDROP = (128, 128, 128, 255)


def named(argument: str) -> list[str]:
    """List the picture files that one argument of a command line names.

    Args:
      argument: str, a file, a folder, or a pattern of * ? [] (and ** for folders of any depth) that is not itself a file.
        The longest leading part of a pattern that is an existing folder is taken literally.
        A leading ~ is the home folder, unless a file or folder has that name.

    Returns:
      list of str: a file as it was given, whatever it holds; of a folder (not of folders in it) or a pattern the files that end as
      pictures do and do not begin with a dot, sorted. At least one.

    Raises:
      DataError: a folder or a pattern in which there is no such file.
    """
    first = argument.split(os.sep)[0]
    if first.startswith("~") and not os.path.lexists(first):
        argument = os.path.expanduser(argument)
    folder = os.path.dirname(argument)
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    rest = argument[len(folder) :]
    if os.path.isdir(argument):
        # As a pattern, because that passes over names with a leading dot: a Mac leaves ._1.jpg beside 1.jpg, and it is no picture.
        pattern, kind = os.path.join(glob.escape(argument), "*"), "folder"
    elif glob.escape(rest) != rest and not os.path.exists(argument):
        pattern, kind = glob.escape(folder) + rest, "pattern"
    else:
        return [argument]
    paths = {
        path
        for path in glob.glob(pattern, recursive=True)
        if os.path.splitext(path)[1].lower() in _suffixes()
    }
    found = sorted(path for path in paths if os.path.isfile(path))
    if not found:
        raise DataError(
            f"{argument}: the {kind} names no picture that could be read: give files, or a folder that holds .png or .jpg"
        )
    return found


@functools.cache
def _suffixes():
    """Return the endings of FORMATS in lower case, with the dot; Pillow has to import all its readers to know them."""
    return frozenset(
        suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS
    )


def read(path: str, file: BinaryIO | None = None) -> Image.Image:
    """Read a picture file as a person would see it.

    Args:
      path: str, a file in one of FORMATS; of several frames the first is taken.
      file: binary file that holds the picture where `path` is only what errors call it; None opens `path`.

    Returns:
      PIL image of mode RGB: turned upright by its EXIF orientation, transparent parts on mid grey.

    Raises:
      DataError: the file is missing, not a picture, broken, or larger than MAX_PIXELS or MAX_BYTES.
    """
    if file is None and not os.path.isfile(path):  # opening a pipe would wait for its writer
        raise DataError(
            f"{path}: {'not a file' if os.path.exists(path) else 'no such file'}: give the path of a PNG or JPEG picture"
        )
    if file is None and os.path.getsize(path) > MAX_BYTES:
        raise DataError(
            f"{path}: more than {MAX_BYTES // 10**6} MB, the most that is read of a picture: scale it down"
        )
    with warnings.catch_warnings():
        # Pillow warns of large pictures, odd EXIF data and the like; what matters here is raised or mended.
        warnings.simplefilter("ignore")
        try:
            with Image.open(file or path, formats=FORMATS) as picture:
                width, height = picture.size
                if 0 < width * height <= MAX_PIXELS:
                    return _rgb(_upright(picture))
        except (
            Image.DecompressionBombError
        ):  # Pillow has a limit of its own, about three times ours
            width, height = 0, MAX_PIXELS
        except Image.UnidentifiedImageError:
            empty = file is None and os.path.getsize(path) == 0
            what = "an empty file" if empty else "not a picture of a known kind, or cut short"
            raise DataError(f"{path}: {what}: save it anew as PNG or JPEG") from None
        except PermissionError:
            raise DataError(f"{path}: no permission to read it: change its permissions") from None
        except Exception as error:
            # A broken file makes Pillow's decoders raise nearly anything: OSError, SyntaxError, struct.error, ValueError, EOFError, ...
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(
                f"{path}: the picture cannot be decoded ({reason}): save it anew as PNG or JPEG"
            ) from None
    size = f"{width} x {height}" if width else "far too many"
    raise DataError(
        f"{path}: {size} pixels, and pictures of 1 to {MAX_PIXELS // 10**6} million are read: scale it down"
    )


def _upright(picture):
    """Turn a picture by its EXIF orientation; where the EXIF data is broken the picture stays as it is."""
    picture.load()  # first: what cannot be decoded must not be taken for broken EXIF data
    try:
        if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return picture  # not a copy
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _rgb(picture):
    """Convert a picture of any mode to RGB."""
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    if picture.has_transparency_data:
        picture = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, _BACKDROP), picture)
    return picture.convert("RGB")


def _eight_bits(values):
    """Scale grey of 16 bits or of floats to 8 bits; Pillow would clip it at 255, so that most of it is white, or black."""
    if values.dtype.kind != "f":
        return _EIGHT_BITS[np.clip(values, 0, 65535)]
    largest = float(np.max(values, where=np.isfinite(values), initial=0.0))
    # Nothing in the file says what is white: the least usual one that fits. Up to twice as much fits too, as sharpening overshoots.
    white = next((white for white in _FLOAT_WHITES if largest < 2 * white), largest)
    scaled = np.nan_to_num(values, nan=0.0, posinf=white, neginf=0.0)
    np.clip(scaled, 0.0, white, out=scaled)  # in place: a large picture is 256 MB a copy
    scaled *= 255.0 / white
    return np.rint(scaled, out=scaled).astype(np.uint8)


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
        box = clipped(box, picture.size)
    return np.array(picture.resize((WINDOW, WINDOW), Image.Resampling.BILINEAR, box=box))


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """Return the part of a box that lies within a picture.

    Args:
      box: left, top, right, bottom in pixels.
      size: width, height of the picture in pixels.

    Returns:
      left, top, right, bottom in pixels.

    Raises:
      ValueError: the box is not finite, has no width or height, or lies outside the image.
    """
    left, top, right, bottom = box
    width, height = size
    shown = f"the box from {left:g}, {top:g} to {right:g}, {bottom:g}"
    if not all(map(math.isfinite, box)):
        raise ValueError(f"{shown} is not finite")
    for side, near, far in (("width", left, right), ("height", top, bottom)):
        if near >= far:
            raise ValueError(f"{shown} has {'no' if near == far else 'a negative'} {side}")
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError(f"{shown} lies outside the picture of {width} x {height}")
    return inside


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
