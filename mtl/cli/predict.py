"""`mtl predict`: the numbers in pictures, as a trained network reads them."""

import csv
import json
import math
import sys

from absl import flags as absl_flags

from mtl.cli import console, flags, paths
from mtl.errors import DataError, UsageError

USAGE = "mtl predict [--model_dir=DIR] [--box=LEFT,TOP,WIDTH,HEIGHT] [--json|--csv] [--sheet=out.png] IMAGE|FOLDER|'PATTERN'..."
SUMMARY = "read the numbers in picture files"
BATCH = 256  # pictures read at a time: it bounds memory, as of each its window alone is kept
SHEET = 400  # pictures on a sheet: more would be a picture that few programs open


def define(values):
    """Define the flags: which network, where to look, how to print."""
    flags.define_model_dir(
        values,
        "the run directory whose network reads; pretrained comes with the package",
        "pretrained",
    )
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    flags.define_views(
        values, None, "how many views of each picture are averaged; by default as the run says"
    )
    text = (
        "left,top,width,height of the number (the box of all its digits) in pixels of the upright picture, fractions allowed, in every "
        "picture given; the network sees it with the margin it was trained with; without it the whole picture counts as the number"
    )
    absl_flags.DEFINE_string("box", None, text, flag_values=values)
    absl_flags.DEFINE_boolean(
        "json",
        False,
        "print one JSON object a picture, with the probabilities of all six tasks",
        flag_values=values,
    )
    text = "print CSV with the header file,number,confidence; number is empty where there are no digits, X where more than five"
    absl_flags.DEFINE_boolean("csv", False, text, flag_values=values)
    text = f"also draw what the network saw, each with its number and confidence: a .png or .jpg of the first {SHEET} pictures"
    paths.define(values, "sheet", None, text)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    flags.check_model_dir(
        values, "leave it out to read with the network that comes with the package"
    )
    _box(values.box)
    if values.json and values.csv:
        raise UsageError("--json and --csv exclude each other; choose one")
    if values.sheet is not None:
        flags.check_sheet("sheet", values.sheet)
    if not arguments and not values.only_check_args:
        raise UsageError("no IMAGE given; name at least one picture file")


def main(values, arguments):
    """Read the pictures in the order given; a bad one costs one line on stderr and, at the end, the exit code 2."""
    console.start_tensorflow(values.verbosity)
    from mtl.inference import predictions
    from mtl.inference.network import Network
    from mtl.runs import files

    if values.sheet:
        files.check_file(values.sheet, "--sheet")
    named, box, seen, failed = _named(arguments), _box(values.box), [], 0
    show = _printer(values)
    # Where the results themselves run over the terminal, they are the progress.
    with (
        Network.open(values.model_dir, values.checkpoint) as network,
        console.bar(len(named), not sys.stdout.isatty()) as bar,
    ):
        for first in range(0, len(named), BATCH):
            read, windows = [], []
            for file in named[first : first + BATCH]:
                try:
                    windows.append(_window(file, box))
                    read.append(file)
                except DataError as error:
                    bar.clear()
                    console.say(f"mtl predict: {error}")
                    failed += 1
                bar.update()
            results = predictions.predictions(
                network.log_probs, read, windows, values.views or network.config.views
            )
            for result in results:
                show(result)
            sys.stdout.flush()
            if values.sheet:
                seen += list(zip(results, windows))[: SHEET - len(seen)]
    if values.sheet:
        _draw(values.sheet, seen, len(named) - failed)
    return DataError.exit_code if failed else 0


def _box(text):
    """Parse --box into left, top, right, bottom; None where it is not given."""
    if text is None:
        return None
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"--box={text} must be four numbers: left,top,width,height in pixels"
        ) from None
    if not (all(map(math.isfinite, (left, top, width, height))) and width > 0 and height > 0):
        raise UsageError(
            f"--box={text} must be finite, and its width and height, the last two, above 0"
        )
    return left, top, left + width, top + height


def _named(arguments):
    """List the files that the arguments name, and in the place of one that names none the DataError."""
    from mtl.data import images

    named = []
    for argument in arguments:
        try:
            named += images.named(argument)
        except DataError as error:
            named.append(error)
    return named


def _window(file, box):
    """Cut the window out of a picture file as data sets do, DataError where it cannot be."""
    from mtl.data import images

    if isinstance(file, DataError):
        raise file
    picture = images.read(file)
    if box is None:
        return images.window(picture)
    try:
        images.clipped(
            box, picture.size
        )  # the number itself: with its margin it may reach into a picture that it lies beside
        return images.window(picture, images.grown([box]))
    except ValueError as error:
        raise DataError(
            f"{file}: {error}: --box is left,top,width,height within the picture"
        ) from None


def _printer(values):
    """Return the function (prediction) that prints one as the flags say; the header of a table is printed at once."""
    if values.json:
        return lambda result: print(json.dumps(result, allow_nan=False))
    if not values.csv:
        return lambda result: print(_line(result))
    from mtl.inference import decoding

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "number", "confidence"])
    return lambda result: writer.writerow(
        [result["file"], decoding.written(result["number"]), result["confidence"]]
    )


def _line(result):
    number = "more than 5 digits" if result["number"] is None else result["number"] or "no number"
    return f"{result['file']}  {number}  {_share(result)}"


def _share(result):
    """Write a confidence for a person; a broken network may have none."""
    return "-" if result["confidence"] is None else f"{result['confidence']:.3f}"


def _draw(path, seen, read):
    """Draw the sheet of (prediction, window) pairs; read: int, how many there were."""
    if not seen:
        console.say(f"{path}: not drawn, as no picture could be read")
        return
    import numpy as np

    from mtl.reports import sheet

    results, windows = zip(*seen)
    numbers = [
        "> 5 digits" if result["number"] is None else result["number"] or "no number"
        for result in results
    ]
    captions = [f"{number}\n{_share(result)}" for number, result in zip(numbers, results)]
    sheet.save(sheet.draw(np.stack(windows), captions), path)
    if read > len(seen):
        console.say(
            f"{path}: the first {len(seen)} of {read} pictures; the other {read - len(seen)} are not on it"
        )
