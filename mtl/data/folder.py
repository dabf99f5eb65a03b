"""A folder of your own images: DIR/SPLIT/labels.csv and the image files that it names.

The header is `file` and a column for each task; an empty cell means not labelled. The header of
numbers is `file,label`; an empty cell is an image without a number.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from mtl import tasks as tasks_lib
from mtl.data import adapt, csv_files, images, labels as labels_lib
from mtl.data.examples import (
    Examples,
    empty_windows,
    find_split,
    numbers_inputs,
    of_numbers,
)
from mtl.errors import DataError, NoExamplesError, shown
from mtl.inputs import Inputs
from mtl.tasks import NUMBER_TASKS, Task

DATASET = "folder"
OWN_TASKS = True

FILE, LABEL = "file", "label"  # columns; the second has the numbers
# The largest labels.csv: about 700,000 lines, whose windows take 9 GB. Parsed, a file of the
# shortest lines takes 60 times its size in memory.
MAX_BYTES = 16 << 20


class Row(NamedTuple):
    """One line of labels.csv."""

    line: int  # counted from 1, as editors do
    file: str  # relative to labels.csv
    labels: tuple[str, ...]  # the cell of each task, or only the number


def load(
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    tasks: Sequence[Task] = NUMBER_TASKS,
    inputs: Inputs | None = None,
    window: int = 0,
    unlabelled: bool = False,
) -> Examples:
    """Read a split of a folder. The window is the whole image. Arguments as registry.load.

    Returns:
      Examples in the order of labels.csv, named as in its column `file`. The images are RGB, unless
      `inputs` says otherwise.

    Raises:
      DataError: labels.csv or an image is missing or broken; the message names the line.
      NoExamplesError: the split is empty.
    """
    directory, belongs = find_split(data_dir, split)
    path = os.path.join(directory, "labels.csv")
    rows = read_labels(path, tasks, unlabelled=unlabelled)
    rows = [row for row in rows if belongs(row.file)][:count]
    if not rows:
        what = f"no images in the split {split}"
        raise NoExamplesError(f"{shown(path)}: {what}; add lines `{_header(tasks)}`")
    inputs = inputs or numbers_inputs(window)
    adapt.check_rank(path, numbers_inputs(), inputs)
    names = [row.file for row in rows]
    labels = _labels(path, rows, tasks)  # before the images, because it takes less time
    windows = empty_windows(len(rows), path, inputs)
    for i, row in enumerate(rows):
        try:
            image = images.read(os.path.join(directory, row.file))
            windows[i] = images.window(image, inputs=inputs)
        except DataError as error:
            raise DataError(f"{shown(path)} line {row.line}: {error}") from None
    if tasks_lib.is_numbers(tasks):
        return of_numbers(windows, [row.labels[0] for row in rows], names)
    return Examples(windows, labels, names)


def _labels(path, rows, tasks):
    """Return the labels of own tasks, dict task name -> array."""
    if tasks_lib.is_numbers(tasks):
        return {}
    lines = [row.line for row in rows]
    columns = zip(*[row.labels for row in rows])
    return {
        task.name: labels_lib.parsed(path, lines, cells, task)
        for task, cells in zip(tasks, columns)
    }


def _header(tasks):
    """Return the header of labels.csv for some tasks."""
    names = [LABEL] if tasks_lib.is_numbers(tasks) else [task.name for task in tasks]
    return ",".join([FILE, *names])[:200]


# -- labels.csv ------------------------------------------------------------------------------------


def read_labels(
    path: str, tasks: Sequence[Task] = NUMBER_TASKS, *, unlabelled: bool = False
) -> list[Row]:
    """Read a labels.csv and check that its files exist. No image is decoded.

    A file may be listed several times with the same labels. Other columns than those of the tasks
    are ignored.

    Raises:
      DataError: the table is missing or malformed, a number is not digits, a file is missing or
        outside the folder, or two lines give one file different labels.
      NoExamplesError: the table is empty, without a header.
    """
    cure = f"write it with the header {_header(tasks)}"
    lines = csv_files.lines(path, MAX_BYTES, cure)
    header = csv_files.read_header(lines)
    if not header:
        raise NoExamplesError(f"{shown(path)}: empty; {cure}")
    columns = _columns(path, header, tasks, unlabelled)
    rows = []
    first = {}  # normalised file name -> its first Row
    for line, fields in lines:
        csv_files.check_fields(path, line, fields, header)
        cells = tuple("" if column is None else fields[column] for column in columns[1:])
        row = Row(line, fields[columns[0]].strip(), cells)
        _check_file(path, row)
        if tasks_lib.is_numbers(tasks):
            _check_number(path, row)
        _check_labels(path, row, first.setdefault(os.path.normpath(row.file), row))
        rows.append(row)
    return rows


def _columns(path, header, tasks, unlabelled):
    """Return the positions of the file and of each label in a line; None for a missing label."""
    if tasks_lib.is_numbers(tasks):
        csv_files.check_commas(path, header)
        if unlabelled and FILE in header and LABEL not in header:
            return [header.index(FILE), None]
        if header != [FILE, LABEL]:
            cure = f"write {FILE},{LABEL}"
            if FILE in header and len(header) > 1:
                own = next(name for name in header if name != FILE)[:80]
                cure += f" for numbers; other columns need a network with --tasks={own}:N"
            found = repr(",".join(header)[:80])
            raise DataError(f"{shown(path)} line 1: the header is {found}; {cure}")
        return [0, 1]
    csv_files.check_header(path, header)
    if FILE not in header:
        near = [name for name in header if name.lower() == FILE]
        cure = f"rename the column to {FILE}" if near else "name the image of each line"
        raise csv_files.missing(path, "column", FILE, header, cure)
    found = [header.index(FILE)]
    for task in tasks:
        if task.name in header:
            found.append(header.index(task.name))
        elif unlabelled:
            found.append(None)
        else:
            raise labels_lib.missing(path, "column", task, header)
    return found


def _check_file(path, row):
    """Raise DataError if the image of a line is missing or outside the folder."""
    where = f"{shown(path)} line {row.line}"
    name, written = row.file, repr(row.file[:200])
    if len(name.splitlines()) > 1:
        raise DataError(f"{where}: the file name {written} has a line break; rename the image")
    # Only the text is checked: a symbolic link in the folder may point outside it.
    if os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir:
        raise DataError(f"{where}: {written} is outside the folder; use a path relative to it")
    if not os.path.isfile(os.path.join(os.path.dirname(path), name)):
        raise DataError(f"{where}: no such file {written}; add the image or remove the line")


def _check_number(path, row):
    """Raise DataError if a number is not digits."""
    try:
        tasks_lib.encode(row.labels[0])
    except ValueError as error:
        what = f"{str(error)[:200]}; correct the label"
        raise DataError(f"{shown(path)} line {row.line}: {what}") from None


def _check_labels(path, row, first):
    """Raise DataError if the first line of the same file has other labels."""
    if row.labels == first.labels:
        return
    now, before = (",".join(each.labels)[:80] for each in (row, first))
    labels = f"the label {now!r}, but {before!r} on line {first.line}"
    cure = "keep the line with the correct label"
    raise DataError(f"{shown(path)} line {row.line}: {row.file[:200]!r} has {labels}; {cure}")
