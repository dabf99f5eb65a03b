"""`mtl predict`: read the numbers in image files with a trained network."""

import functools
import os
import sys

from absl import flags as absl_flags

from mtl.cli import answers, console, flags, inputs, paths
from mtl.errors import DataError, UsageError

USAGE = "mtl predict [--model_dir=DIR] [--json|--csv] [--sheet=out.png] IMAGE|FOLDER|'PATTERN'|-..."
SUMMARY = "read the numbers in image files"
# A batch ends after BATCH images or BYTES of files. Large photographs take long to decode, and each
# result should appear soon.
BATCH = 64
BYTES = 4 << 20


def define(values):
    """Define the flags: the network, the part of the image to read, and the output."""
    text = "run directory whose network is used; pretrained is the packaged one"
    flags.define_model_dir(values, text, "pretrained")
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    flags.define_field(values, "views", follows_run=True)
    flags.define_temperature(values)
    inputs.define(values)
    text = (
        'print one JSON object for each image, in the given order: file; number, "" for no '
        "number and null for more than 5 digits; confidence; length, the probabilities of 0 to 5 "
        "digits and of more; digits, for each of 5 positions the probabilities of 0 to 9 and of no "
        "digit; with --boxes also box; an image that could not be read has file and error instead"
    )
    absl_flags.DEFINE_boolean("json", False, text, flag_values=values)
    text = (
        "print CSV with the header file,number,confidence,error, in the given order; number is its "
        "digits, or the words no number or more than 5 digits; with --boxes the box follows file"
    )
    absl_flags.DEFINE_boolean("csv", False, text, flag_values=values)
    text = (
        "also write a .png or .jpg of the images as the network sees them, each with its file, "
        "number and confidence; 400 images a page: sheet.png, sheet-2.png, sheet-3.png, ..."
    )
    paths.define(values, "sheet", None, text)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_model_dir(values, "remove the flag to use the packaged network")
    flags.check_temperature(values)
    if values.json and values.csv:
        raise UsageError("--json and --csv cannot be combined; choose one")
    if values.sheet is not None:
        flags.check_sheet("sheet", values.sheet)
    inputs.check(values, arguments)


def main(values, arguments):
    """Predict the images in the given order; return the exit code, 2 if any could not be read."""
    found = inputs.listed(values, arguments)
    output = answers.Output(values, _pages(values.sheet, found))
    for given in found:  # before TensorFlow is loaded, which takes seconds
        output.report(given)
    if all(given.error for given in found):
        for given in found:
            output.show(answers.Answer(given, error=given.error))
    else:
        _predict(values, found, output)
    output.close()
    return DataError.exit_code if output.failed else 0


def _pages(path, found):
    """Return the sheet.Pages of --sheet; None without it.

    Raises:
      DataError: a page cannot be written. The check creates no file.
      UsageError: a page would replace an image.
    """
    if path is None:
        return None
    from mtl.reports import sheet
    from mtl.runs import files

    images = {os.path.realpath(given.path) for given in found}
    readable = sum(not given.error for given in found)
    for number in range(1, sheet.pages(readable) + 1):
        page = sheet.page_path(path, number)
        files.check_file(page, "--sheet")
        if os.path.realpath(page) in images:
            raise UsageError(f"--sheet: {page} is one of the images to read; choose another file")
    return sheet.Pages(path)


# -- predict ---------------------------------------------------------------------------------------


def _predict(values, found, output):
    """Predict all inputs, batch by batch, and show each batch as soon as it is ready."""
    console.start_tensorflow(values.verbosity)
    from mtl.inference import predictions
    from mtl.inference.network import Network

    # On a terminal, the printed results show the progress.
    with (
        Network.open(values.model_dir, values.checkpoint) as network,
        console.bar(len(found), not sys.stdout.isatty()) as bar,
    ):
        output.bar = bar
        views = flags.value_or_run(values, "views", network.config)
        temperature = values.temperature or network.temperature
        predict = functools.partial(
            predictions.predictions, network.log_probs, views=views, temperature=temperature
        )
        for batch in _batches(found):
            for answer in _answers(predict, batch, output.say):
                output.show(answer)
            sys.stdout.flush()
            bar.update(len(batch))


def _batches(found):
    """Yield the inputs in lists.

    The sizes depend only on the files. If they depended on time, the last digits of the
    probabilities would differ from one call to the next.
    """
    batch, size = [], 0
    for given in found:
        batch.append(given)
        size += _size(given.path)
        if len(batch) == BATCH or size >= BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(path):
    """Return the size of a file in bytes; 0 if it is missing, or standard input."""
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def _answers(predict, batch, say):
    """Read and predict a batch of inputs; return their Answers in the same order.

    Args:
      predict: function (names, windows) -> list of predictions.
      batch: list of Input.
      say: function str -> None.
    """
    answered = []
    for given in batch:
        try:
            answered.append(answers.Answer(given, inputs.window(given, say)))
        except DataError as error:
            answered.append(answers.Answer(given, error=error))
    read = [i for i, answer in enumerate(answered) if not answer.error]
    names = [answered[i].given.path for i in read]
    windows = [answered[i].window for i in read]
    results = predict(names, windows)
    for i, result in zip(read, results):
        answered[i] = answered[i]._replace(prediction=result)
    return answered
