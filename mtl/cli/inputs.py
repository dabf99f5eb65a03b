"""The inputs of `mtl predict`: the images that a command line names, each with its box.

An Input has two names. Text and error lines show `name`: it is always one line. JSON and CSV, which
quote line breaks, give `path`, so that a program finds the file.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from absl import flags as absl_flags

from mtl.cli import paths
from mtl.errors import DataError, UsageError

STDIN = "-"


class Input(NamedTuple):
    """An image, or a part of one, that is to be read."""

    name: str  # the path as one printable line
    path: str  # as the user gave it; "-" is standard input
    box: tuple[float, float, float, float] | None  # left, top, right, bottom; None: whole image
    error: DataError | None = None  # what is known to be wrong before the image is decoded


def define(values):
    """Define --box and --boxes."""
    text = (
        "left,top,width,height of the box around all digits, the same in every image, in pixels of "
        "the upright image, fractions allowed; the network sees it with the margin of training; "
        "without --box the whole image is the number"
    )
    absl_flags.DEFINE_string("box", None, text, flag_values=values)
    text = "CSV file with the header file,left,top,width,height: a box for each line"
    paths.define(values, "boxes", None, text)


def check(values, arguments):
    """Raise UsageError if --box and --boxes are wrong, or no image is named. Reads no file."""
    _box(values.box)
    if values.box is not None and values.boxes is not None:
        raise UsageError("--box and --boxes cannot be combined; choose one")
    if not arguments and values.boxes is None and not values.only_check_args:
        raise UsageError("no IMAGE given; name at least one image file")


def listed(values, arguments) -> list[Input]:
    """List the inputs in the order of the command line. No image is decoded.

    Raises:
      DataError: the file of --boxes is wrong.
    """
    from mtl.data import images

    box = _box(values.box)
    found = []
    for argument in arguments:
        try:
            found += [Input(path, path, box) for path in images.expand(argument)]
        except DataError as error:
            found.append(Input(argument, argument, box, error))
    return found


def window(given: Input, say: Callable[[str], None] | None = None):
    """Return the window of an input, uint8 [WINDOW, WINDOW, 3], cut as in datasets.

    Args:
      given: one of `listed`.
      say: function str -> None, called with a line if only a part of the file is read, such as the
        first frame of an animation.

    Raises:
      DataError: the image or the box is bad.
    """
    from mtl.data import images

    if given.error:
        raise given.error
    image = images.read(given.path)
    if given.box is None:
        return images.window(image)
    try:
        # Checks the box without its margin: the margin alone may overlap the image.
        images.clipped(given.box, image.size)
        return images.window(image, images.grown([given.box]))
    except ValueError as error:
        cure = "--box is left,top,width,height within the image"
        raise DataError(f"{given.name}: {error}; {cure}") from None


def _box(text):
    """Parse --box into left, top, right, bottom; None without it."""
    if text is None:
        return None
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        what = f"--box={text} must be four numbers"
        raise UsageError(f"{what}: left,top,width,height in pixels") from None
    if not (all(map(math.isfinite, (left, top, width, height))) and width > 0 and height > 0):
        raise UsageError(f"--box={text} must be finite, with width and height above 0")
    return left, top, left + width, top + height
