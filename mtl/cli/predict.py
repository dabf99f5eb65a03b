"""`mtl predict`: read the numbers in image files with a trained network."""

import csv
import json
import math
import sys

from absl import flags as absl_flags

from mtl.cli import console, flags, paths
from mtl.errors import DataError, UsageError

USAGE = "mtl predict [--model_dir=DIR] [--json|--csv] [--sheet=out.png] IMAGE|FOLDER|'PATTERN'..."
SUMMARY = "read the numbers in image files"
BATCH = 256  # images read at a time; only their windows are in memory
SHEET = 400  # images on a sheet; few programs open a larger one


def define(values):
    """Define the flags: the network, the part of the image to read, and the output."""
    text = "run directory whose network is used; pretrained is the packaged one"
    flags.define_model_dir(values, text, "pretrained")
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    flags.define_field(values, "views", follows_run=True)
    text = (
        "left,top,width,height of the box around all digits, the same in every image, in pixels of "
        "the upright image, fractions allowed; the network sees it with the margin of training; "
        "without --box the whole image is the number"
    )
    absl_flags.DEFINE_string("box", None, text, flag_values=values)
    text = "print one JSON object for each image, with the probabilities of all six tasks"
    absl_flags.DEFINE_boolean("json", False, text, flag_values=values)
    text = (
        "print CSV with the header file,number,confidence; number is empty for no digits, X for "
        "more than five"
    )
    absl_flags.DEFINE_boolean("csv", False, text, flag_values=values)
    text = (
        f"also write a .png or .jpg of the first {SHEET} images as the network sees them, each "
        "with its number and confidence"
    )
    paths.define(values, "sheet", None, text)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_model_dir(values, "remove the flag to use the packaged network")
    _box(values.box)
    if values.json and values.csv:
        raise UsageError("--json and --csv cannot be combined; choose one")
    if values.sheet is not None:
        flags.check_sheet("sheet", values.sheet)
    if not arguments and not values.only_check_args:
        raise UsageError("no IMAGE given; name at least one image file")


def main(values, arguments):
    """Predict the images in the given order; return the exit code, 2 if any could not be read."""
    console.start_tensorflow(values.verbosity)
    from mtl.inference import predictions
    from mtl.inference.network import Network
    from mtl.runs import files

    if values.sheet:
        files.check_file(values.sheet, "--sheet")
    found = _files(arguments)
    box = _box(values.box)
    show = _printer(values)
    count, sheet = 0, []
    # On a terminal, the printed results show the progress.
    with (
        Network.open(values.model_dir, values.checkpoint) as network,
        console.bar(len(found), not sys.stdout.isatty()) as bar,
    ):
        views = flags.value_or_run(values, "views", network.config)
        for first in range(0, len(found), BATCH):
            names, windows = _read(found[first : first + BATCH], box, bar)
            results = predictions.predictions(network.log_probs, names, windows, views)
            for result in results:
                show(result)
            sys.stdout.flush()
            count += len(results)
            if values.sheet:
                sheet += list(zip(results, windows))[: SHEET - len(sheet)]
    if values.sheet:
        _save_sheet(values.sheet, sheet, count)
    return DataError.exit_code if count < len(found) else 0


# -- read ------------------------------------------------------------------------------------------


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


def _files(arguments):
    """List the image files that the arguments name, and a DataError if an argument names none."""
    from mtl.data import images

    found = []
    for argument in arguments:
        try:
            found += images.expand(argument)
        except DataError as error:
            found.append(error)
    return found


def _read(found, box, bar):
    """Read image files, and report those that fail on stderr.

    Returns:
      The names of the files that were read (list of str) and their windows (list of array).
    """
    names, windows = [], []
    for file in found:
        try:
            windows.append(_window(file, box))
            names.append(file)
        except DataError as error:
            bar.clear()
            console.say(f"mtl predict: {error}")
        bar.update()
    return names, windows


def _window(file, box):
    """Return the window of an image file, uint8 [WINDOW, WINDOW, 3], cut as in datasets.

    Raises:
      DataError: the image or the box is bad, or `file` is itself the error.
    """
    from mtl.data import images

    if isinstance(file, DataError):
        raise file
    image = images.read(file)
    if box is None:
        return images.window(image)
    try:
        # Checks the box without its margin: the margin alone may overlap the image.
        images.clipped(box, image.size)
        return images.window(image, images.grown([box]))
    except ValueError as error:
        cure = "--box is left,top,width,height within the image"
        raise DataError(f"{file}: {error}; {cure}") from None


# -- write -----------------------------------------------------------------------------------------


def _printer(values):
    """Return the function that prints a prediction; print the header of CSV."""
    if values.json:
        return _print_json
    if values.csv:
        print("file,number,confidence")
        return _print_csv
    return _print_line


def _print_json(result):
    print(json.dumps(result, allow_nan=False))


def _print_csv(result):
    from mtl.inference import decoding

    row = [result["file"], decoding.written(result["number"]), result["confidence"]]
    csv.writer(sys.stdout, lineterminator="\n").writerow(row)


def _print_line(result):
    print(f"{result['file']}  {_number(result, 'more than 5 digits')}  {_confidence(result)}")


def _number(result, many):
    """Return the number to show; many: str, the text for more than five digits."""
    return many if result["number"] is None else result["number"] or "no number"


def _confidence(result):
    """Return the confidence to show; it is None if the network gives NaN."""
    return "-" if result["confidence"] is None else f"{result['confidence']:.3f}"


def _save_sheet(path, seen, count):
    """Write the sheet.

    Args:
      path: str.
      seen: list of (prediction, window).
      count: int, images predicted. A message reports if the sheet shows fewer.
    """
    if not seen:
        console.say(f"{path}: not written, because no image could be read")
        return
    import numpy as np

    from mtl.reports import sheet

    captions = [f"{_number(result, '> 5 digits')}\n{_confidence(result)}" for result, _ in seen]
    sheet.save(sheet.draw(np.stack([window for _, window in seen]), captions), path)
    if count > len(seen):
        console.say(f"{path}: shows the first {len(seen)} of {count} images")
