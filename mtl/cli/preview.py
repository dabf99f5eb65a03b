"""`mtl preview`: a labelled contact sheet of a data set."""

import os

from absl import flags

from mtl import config
from mtl.cli import common
from mtl.errors import DataError, UsageError

USAGE = "mtl preview --dataset=NAME [--data_dir=DIR] [--split=train] [--out=sheet.png]"
SUMMARY = "draw a labelled contact sheet of a data set"
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def define(values):
    """Define the flags: which pictures, how many, where to."""
    common.define_field(values, "dataset", "the data set", choices=config.DATASETS)
    common.define_field(values, "data_dir", "where the data set lies; synthetic needs none")
    common.define_split(values, "train")
    common.define_difficulty(values)
    flags.DEFINE_string("out", "sheet.png", "the picture to write, .png or .jpg", flag_values=values)
    flags.DEFINE_integer("rows", 8, "rows of images", lower_bound=1, upper_bound=100, flag_values=values)
    flags.DEFINE_integer("columns", 12, "images in a row", lower_bound=1, upper_bound=100, flag_values=values)


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    common.check_no_arguments(arguments)
    common.check_data(values.dataset, values.data_dir)
    common.check_split(values.dataset, values.split)
    if os.path.splitext(values.out)[1].lower() not in FORMATS:
        raise UsageError(f"--out={values.out} must end in {' or '.join(FORMATS)}")


def main(values, arguments):
    """Draw the sheet; return the exit code."""
    from mtl import sheet

    directory = os.path.dirname(values.out) or "."
    if not os.path.isdir(directory):  # looked for before the work, not after
        raise DataError(f"{directory}: no such folder for --out; make it first")
    if os.path.isdir(values.out):
        raise DataError(f"{values.out}: is a folder; --out takes the name of a picture")
    if values.dataset == "records":  # TensorFlow reads them
        common.start_tensorflow(values.verbosity)
    count = values.rows * values.columns
    examples = common.load(values.dataset, values.data_dir, values.split, count=count, difficulty=values.difficulty)
    picture = sheet.draw(examples.images, [number or "no number" for number in examples.numbers], columns=values.columns)
    unfinished = f"{values.out}.tmp{os.getpid()}"
    try:
        picture.save(unfinished, format=FORMATS[os.path.splitext(values.out)[1].lower()])
        os.replace(unfinished, values.out)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)
    print(f"{values.out}: {len(examples.numbers)} images of {values.dataset}, {values.split}")
    return 0
