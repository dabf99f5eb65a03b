"""`mtl predict`: predict image files, or a split of a dataset, with a trained network."""

import functools
import os

from absl import flags as absl_flags

from mtl import config
from mtl.cli import answers, console, flags, inputs, paths
from mtl.errors import DataError, UsageError
from mtl.tasks import NUMBER_TASKS

USAGE = "mtl predict [--model_dir=DIR] [--json|--csv] [--sheet=out.png] IMAGE|FOLDER|'PATTERN'|-..."
SUMMARY = "predict image files, or a split of a dataset"
PRETRAINED = "pretrained"
DATASETS = tuple(name for name in config.DATASETS if name != "synthetic")


def define(values):
    """Define the flags: the network, the examples, and the output."""
    text = "run directory of the network; pretrained is the packaged one, which reads numbers"
    flags.define_model_dir(values, text, PRETRAINED)
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    flags.define_field(values, "views", follows_run=True)
    flags.define_temperature(values)
    inputs.define(values)
    text = "predict a split of this dataset, not images; the examples need no labels"
    absl_flags.DEFINE_enum("dataset", None, DATASETS, text, flag_values=values)
    text = "folder of the dataset; default that of the run, if it has the same --dataset"
    paths.define(values, "data_dir", None, text)
    flags.define_split(values, "test")
    _define_output(values)
    flags.define_execution(values)


def _define_output(values):
    """Define the flags of the output."""
    text = (
        "print one JSON object for each image, in the given order: file; number, "
        '"" for no number and null for more than 5 digits; confidence; length, the probabilities '
        "of 0 to 5 digits and of more; digits, for each of 5 positions the probabilities of 0 to 9 "
        "and of no digit; with --boxes also box; an image that could not be read has file and "
        "error instead. Other tasks than numbers: file, or index, the position in the file of the "
        "dataset from 0; tasks, for each task class and probabilities, or value"
    )
    absl_flags.DEFINE_boolean("json", False, text, flag_values=values)
    text = (
        "print CSV with the header file,number,confidence,error, in the given order; number is its "
        "digits, or the words no number or more than 5 digits; with --boxes the box follows file; "
        "a dataset has no error. Other tasks than numbers: a column with the name of each task "
        "for its class or value, and TASK_probability for the probability of the class. Without "
        "--json and --csv, each line has the same fields, separated by two spaces: "
        "a.png  digit=7 (0.981)  height=171.2"
    )
    absl_flags.DEFINE_boolean("csv", False, text, flag_values=values)
    text = (
        "also write a .png or .jpg of the images as the network sees them, each with its file "
        "and prediction; 400 images a page: sheet.png, sheet-2.png, sheet-3.png, ..."
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
    if values.dataset is None:
        for name in ("data_dir", "split"):
            if values[name].present:
                cure = f"add --dataset={'|'.join(DATASETS)}, or remove the flag"
                raise UsageError(f"--{name}={values[name].value} needs a dataset; {cure}")
        inputs.check(values, arguments)
        return
    for name in ("box", "boxes"):
        if values[name].value is not None:
            what = f"--{name} applies to image files, not to --dataset={values.dataset}"
            raise UsageError(f"{what}; remove one of the two flags")
    if arguments:
        what = f"{arguments[0]!r} and --dataset={values.dataset} cannot be combined"
        raise UsageError(f"{what}; give image files, or a dataset")


def main(values, arguments):
    """Predict in the given order; return the exit code, 2 if an image could not be read."""
    output = answers.Output(values)
    if values.dataset is not None:
        check_sheet = functools.partial(_check_sheet, values.sheet)
        _predicting(values).dataset(values, output, check_sheet)
        output.close()
        return 0
    found = inputs.listed(values, arguments)
    _check_sheet(values.sheet, found)
    for given in found:  # before TensorFlow is loaded, which takes seconds
        output.report(given)
    if all(given.error for given in found):
        output.begin(_tasks(values))
        for given in found:
            output.show(answers.Answer(given, error=given.error))
    else:
        _predicting(values).images(values, found, output)
    output.close()
    return DataError.exit_code if output.failed else 0


def _predicting(values):
    """Start TensorFlow; return the module that needs it."""
    console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
    from mtl.cli import predicting

    return predicting


def _tasks(values):
    """Return the tasks of the network, for the header of CSV. Avoids TensorFlow if it can."""
    if not values.csv or values.model_dir == PRETRAINED:
        return NUMBER_TASKS
    console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
    from mtl import run_files
    from mtl.runs import find

    return run_files.read(find.directory(values.model_dir)).tasks


def _check_sheet(path, found, folder=None):
    """Check that the pages of --sheet can be written. Creates no file.

    Args:
      path: str, or None without --sheet.
      found: list of Input.
      folder: str, that of a dataset, or None.

    Raises:
      DataError: a page cannot be written.
      UsageError: a page would replace an image, or a file of the dataset.
    """
    if path is None:
        return
    from mtl.reports import sheet
    from mtl.runs import files

    images = {os.path.realpath(given.path) for given in found if isinstance(given.path, str)}
    readable = sum(not given.error for given in found)
    for number in range(1, sheet.pages(readable) + 1):
        page = sheet.page_path(path, number)
        files.check_file(page, "--sheet")
        if os.path.realpath(page) in images:
            raise UsageError(f"--sheet: {page} is one of the images to read; choose another file")
        if folder and os.path.exists(page) and _is_inside(page, folder):
            raise UsageError(f"--sheet: {page} is a file of the dataset; choose another file")


def _is_inside(path, folder):
    """Return whether a file is in a folder or below it."""
    folder = os.path.realpath(folder)
    return os.path.commonpath([folder, os.path.realpath(path)]) == folder
