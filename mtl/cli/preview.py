"""`mtl preview`: a labelled contact sheet of a dataset."""

from absl import flags as absl_flags

from mtl import config, tasks as tasks_lib
from mtl.cli import console, flags, paths
from mtl.errors import DataError, UsageError, shown

USAGE = "mtl preview --dataset=NAME [--data_dir=DIR] [--tasks=LIST] [--out=sheet.png]"
# Datasets on disk that have images.
ON_DISK = tuple(name for name in config.DATASETS if name not in ("synthetic", "table"))
SUMMARY = "draw a labelled contact sheet of a dataset"


def define(values):
    """Define the flags: which images, how many, and the file to write."""
    flags.define_field(values, "dataset")
    flags.define_field(values, "data_dir")
    flags.define_field(values, "tasks")
    flags.define_split(values, "train")
    flags.define_field(values, "style")
    flags.define_field(values, "difficulty")
    flags.define_field(values, "window")
    paths.define(values, "out", "sheet.png", "image file to write, .png or .jpg")
    size = {"lower_bound": 1, "upper_bound": 100, "flag_values": values}
    absl_flags.DEFINE_integer("rows", 8, "rows of images", **size)
    absl_flags.DEFINE_integer("columns", 12, "images in a row", **size)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    if values.dataset == "synthetic" and values.data_dir:
        what = f"--data_dir={values.data_dir} does not apply to --dataset=synthetic"
        raise UsageError(f"{what}; choose --dataset={'|'.join(ON_DISK)}, or remove --data_dir")
    flags.check_data(values.dataset, values.data_dir)
    flags.check_split(values.dataset, values.split)
    if values.dataset == "table":
        raise UsageError("--dataset=table has no images to show; open its CSV file instead")
    flags.check_tasks(values)
    flags.check_sheet("out", values.out)


def main(values, arguments):
    """Draw the sheet; return the exit code."""
    from mtl.reports import captions, sheet
    from mtl.runs import files

    files.check_file(values.out, "--out")  # before the work
    if values.dataset == "records":  # TensorFlow reads them
        console.start_tensorflow(values.verbosity)
    cells = values.rows * values.columns
    tasks = tasks_lib.parse(values.tasks)
    examples = console.load(
        values.dataset,
        values.data_dir,
        values.split,
        count=cells,
        style=values.style,
        difficulty=values.difficulty,
        tasks=tasks,
        window=values.window,
    )
    if examples.inputs.ndim != 4:
        what = f"{values.split} has features, not images"
        raise DataError(f"{values.data_dir}: {what}; choose a dataset of images")
    lines = zip(examples.names, captions.of_labels(examples, tasks))
    texts = [f"{shown(name)}\n{labels}" for name, labels in lines]
    console.notice(f"writing {values.out} ...")
    sheet.save(sheet.draw(examples.inputs, texts, columns=values.columns), values.out)
    # If the sheet is full, the dataset may have more images. They are not counted.
    count = len(texts)
    part = f"the first {count}" if count == cells else f"all {count}"
    print(f"{values.out}: {part} images of {values.dataset}, {values.split}")
    return 0
