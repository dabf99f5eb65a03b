"""The inputs of `mtl predict`: the images that a command line names, each with its box.

An Input has two names. Text lines show `name`, which is one printable line. JSON and CSV give
`path`, because they quote line breaks and a program must find the file. Several inputs may have the
same path: an image with several boxes, or an image that is named twice. An example of a dataset is
an Input too, see mtl/cli/predicting.py.
"""

import io
import math
import os
import re
import shlex
import stat
import sys
import urllib.parse
from collections.abc import Callable
from typing import NamedTuple

from absl import flags as absl_flags

from mtl.cli import paths
from mtl.errors import DataError, UsageError, shown
from mtl.inputs import NUMBERS, Inputs

STDIN = "-"
PIPE = "mtl predict - < photo.jpg"
DESCRIPTORS = re.compile("/dev/stdin$|(/dev|/proc/self)/fd/")  # a shell gives them for <(...)
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|data:\w+/")


class Input(NamedTuple):
    """An image to read, a part of one, or an example of a dataset."""

    name: str  # the path as one printable line
    path: str | int  # as given; "-" is standard input; the index of an example without a file
    box: tuple[float, float, float, float] | None = None  # left, top, right, bottom; None: whole
    error: DataError | None = None  # found before the image is decoded
    source: str = "--box"  # where the box is written, for errors


def define(values):
    """Define --box and --boxes."""
    text = (
        "left,top,width,height of a part of the image, the same in every image, in pixels of the "
        "upright image, fractions allowed; for numbers it is the box around all digits, to which "
        "mtl adds the margin of training; without --box or --boxes mtl reads the whole image"
    )
    absl_flags.DEFINE_string("box", None, text, flag_values=values)
    text = (
        "CSV file with a box for each line, header file,left,top,width,height, numbers as in "
        "--box; relative files start from the folder of the CSV file; an image may have several "
        "boxes; other columns are ignored; with IMAGE arguments only the boxes of these images "
        "are read"
    )
    paths.define(values, "boxes", None, text)


def check(values, arguments):
    """Raise UsageError if --box or --boxes is wrong, or no image is named. Reads no file."""
    _box(values.box)
    if values.boxes is not None and not values.boxes:
        raise UsageError("--boxes names no file; give a CSV file of boxes, or remove the flag")
    if values.box is not None and values.boxes is not None:
        raise UsageError("--box and --boxes cannot be combined; choose one")
    if not arguments and values.boxes is None and not values.only_check_args:
        cure = "name an image file or a folder, - for standard input, or a --dataset"
        raise UsageError(f"no IMAGE given; {cure}")


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


# -- list ------------------------------------------------------------------------------------------


def listed(values, arguments) -> list[Input]:
    """List the inputs in the order of the command line. No image is opened.

    A faulty image is listed with an `error`, so that the others can still be predicted.

    Raises:
      DataError: the file of --boxes is wrong.
    """
    if values.boxes is not None:
        return _with_boxes(values.boxes, arguments)
    box = _box(values.box)
    return [given._replace(box=box) for given in _images(arguments)]


def _images(arguments):
    """List the images that the arguments name, without boxes."""
    found = []
    for argument in arguments:
        if argument == STDIN:
            twice = any(each.path == STDIN for each in found)
            found.append(Input(STDIN, STDIN, error=_stdin_error(twice)))
        else:
            found += _expanded(argument)
    return found


def _expanded(argument):
    """List the images that an argument names: a file, a folder or a pattern."""
    from mtl.data import image_files

    try:
        found = image_files.expand(argument) if _special(argument) is None else [argument]
    except DataError as error:
        return [Input(shown(argument), argument, error=error)]
    return [_checked(path) for path in found]


def _checked(path):
    """Return the Input of a path, with an error if the file is faulty."""
    from mtl.data import image_files

    name = shown(path)
    special = _special(path)
    if special is not None:
        return Input(name, path, error=DataError(special))
    try:
        image_files.check(path)
    except DataError as error:
        return Input(name, path, error=error)
    return Input(name, path)


def _with_boxes(file, arguments):
    """List the boxes of a CSV file; with arguments, only those of the images that they name."""
    from mtl.data import boxes

    where = shown(file)
    rows = boxes.read(file)
    if not arguments:
        return [_of_row(row, _checked(row.path), where) for row in rows]
    of_image = {}
    for row in rows:
        of_image.setdefault(os.path.realpath(row.path), []).append(row)
    found = []
    for given in _images(arguments):
        mine = of_image.get(os.path.realpath(given.path), [])
        if given.error:
            found.append(given)
        elif given.path == STDIN or not mine:
            found.append(given._replace(error=_without_box(given, where)))
        else:
            found += [_of_row(row, given, where) for row in mine]
    return found


def _of_row(row, given, where):
    """Return an Input with the box of a row; where: the CSV file, for errors."""
    source = f"{where} line {row.line}"
    error = str(given.error or row.fault or "")
    if not os.path.lexists(row.path):
        error = f"no such file {given.name}; write its path, relative to the folder of the CSV file"
    error = DataError(f"{source}: {error}") if error else None
    return given._replace(box=row.box, error=error, source=source)


def _without_box(given, where):
    """Return the DataError of an image that has no row in the CSV file `where`."""
    if given.path == STDIN:
        cure = "use --box, or save the image in a file"
        return DataError(f"-: standard input has no path to find in --boxes; {cure}")
    cure = "add a line for it, or do not name the image"
    return DataError(f"{given.name}: has no box in {where}; {cure}")


def _special(path):
    """Return the error of a URL, a pipe or a name of standard input; None for any other path."""
    if DESCRIPTORS.match(path) and not os.path.isfile(path):
        cure = f"write - to read an image from standard input: {PIPE}"
        return f"{shown(path)}: not an image file; {cure}"
    try:
        pipe = stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return _url(path)
    if not pipe:
        return None
    name = shown(path)
    return f"{name}: a pipe; read it as standard input: mtl predict - < {shlex.quote(name)}"


def _url(path):
    """Return the error of a URL; None for a path."""
    match = URL.match(path)
    if match is None:
        return None
    name = shown(path)
    if len(name) > 200:
        return f"{name[:80]}...: a URL; save the image in a file, or pipe it into mtl predict -"
    scheme = (match[1] or "").lower()
    if scheme == "file":
        local = shown(urllib.parse.unquote(urllib.parse.urlsplit(path).path))
        return f"{name}: a URL; give the path itself: {local}"
    if scheme in ("http", "https", "ftp"):
        example = f"curl -fL {shlex.quote(name)} | mtl predict -"
        return f"{name}: a URL; download the image first, or pipe it: {example}"
    return f"{name}: a URL; download the image first, or pipe it into mtl predict -"


def _stdin_error(twice):
    """Return the DataError of a "-" that cannot be read, or None; twice: bool, it came before."""
    if twice:
        return DataError("-: given twice, but standard input is one image; give - once")
    if sys.stdin.isatty():
        return DataError(f"-: standard input is the terminal; send an image to it: {PIPE}")
    return None


# -- read ------------------------------------------------------------------------------------------


def window(
    given: Input,
    say: Callable[[str], None] | None = None,
    *,
    taken: Inputs = NUMBERS,
    margin: bool = True,
):
    """Return the window of an input, an array of the shape and type of `taken`.

    Args:
      given: one of `listed`. The image of "-" can be read once.
      say: function str -> None, called with a line if the file has more frames than the one read.
      taken: what the network takes.
      margin: whether the box is grown, as in datasets of numbers.

    Raises:
      DataError: the image or the box is bad.
    """
    from mtl.data import images

    if given.error:
        raise given.error
    file = _stdin() if given.path == STDIN else None
    image = images.read(given.path, file, say)
    if given.box is None:
        return images.window(image, inputs=taken)
    try:
        # Checks the box without its margin: the margin alone may overlap the image.
        images.clipped(given.box, image.size)
        box = images.grown([given.box]) if margin else given.box
        return images.window(image, box, taken)
    except ValueError as error:
        cure = f"correct {given.source}: left,top,width,height within the image"
        raise DataError(f"{given.name}: {error}; {cure}") from None


def _stdin():
    """Return standard input as a binary file in memory, of limited size."""
    from mtl.data.image_files import MAX_BYTES

    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not content:
        raise DataError(f"-: standard input is empty; send an image to it: {PIPE}")
    if len(content) > MAX_BYTES:
        limit = f"{MAX_BYTES // 10**6} MB"
        raise DataError(f"-: larger than {limit}, the limit of an image file; scale it down")
    return io.BytesIO(content)
