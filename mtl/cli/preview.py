"""`mtl preview`: a labelled contact sheet of a data set."""

from absl import flags as absl_flags

from mtl import config
from mtl.cli import console, flags, paths

USAGE = "mtl preview --dataset=NAME [--data_dir=DIR] [--split=train] [--out=sheet.png]"
SUMMARY = "draw a labelled contact sheet of a data set"


def define(values):
    """Define the flags: which pictures, how many, where to."""
    flags.define_field(values, "dataset", "the data set", choices=config.DATASETS)
    flags.define_field(values, "data_dir", "where the data set lies; synthetic needs none")
    flags.define_split(values, "train")
    flags.define_drawing(values)
    paths.define(values, "out", "sheet.png", "the picture to write, .png or .jpg")
    absl_flags.DEFINE_integer(
        "rows", 8, "rows of images", lower_bound=1, upper_bound=100, flag_values=values
    )
    absl_flags.DEFINE_integer(
        "columns", 12, "images in a row", lower_bound=1, upper_bound=100, flag_values=values
    )


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    flags.check_no_arguments(arguments)
    flags.check_data(values.dataset, values.data_dir)
    flags.check_split(values.dataset, values.split)
    flags.check_sheet("out", values.out)


def main(values, arguments):
    """Draw the sheet; return the exit code."""
    from mtl.reports import sheet
    from mtl.runs import files

    files.check_file(values.out, "--out")  # before the work, not after
    if values.dataset == "records":  # TensorFlow reads them
        console.start_tensorflow(values.verbosity)
    count = values.rows * values.columns
    examples = console.load(
        values.dataset,
        values.data_dir,
        values.split,
        count=count,
        style=values.style,
        difficulty=values.difficulty,
    )
    captions = [number or "no number" for number in examples.numbers]
    sheet.save(sheet.draw(examples.images, captions, columns=values.columns), values.out)
    print(f"{values.out}: {len(examples.numbers)} images of {values.dataset}, {values.split}")
    return 0
