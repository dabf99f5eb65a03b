"""A table of numbers: DIR/SPLIT.csv. Columns named as a task are labels, all others are features.

An empty label means not labelled. The rows are named "0", "1", ... in the order of the file.
"""

import math
from collections.abc import Sequence

import numpy as np

from mtl import tasks as tasks_lib
from mtl.data import adapt, csv_files, labels as labels_lib
from mtl.data.examples import Examples, find_split
from mtl.errors import DataError, NoExamplesError, shown
from mtl.inputs import Inputs
from mtl.tasks import NUMBER_TASKS, Task

DATASET = "table"
OWN_TASKS = True

MAX_BYTES = 1 << 30  # parsed, a table takes about 10 times its size in memory
ENCODE = "write one column for each value, with 0 or 1"


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
    """Read a split. Arguments as registry.load; `window` is ignored.

    Returns:
      Examples with features in the order of the columns, or in that of `inputs`. They are not
      standardised.

    Raises:
      DataError: the file is missing or malformed, or has other columns.
      NoExamplesError: the split is empty.
    """
    path, belongs = find_split(data_dir, split, ".csv")
    if tasks_lib.is_numbers(tasks):
        cure = "its labels need a network with --tasks, such as --tasks=kind:3,price:real"
        raise DataError(f"{shown(path)}: a table has no numbers to read from images; {cure}")
    header, lines, rows = _read(path)
    names = [str(index) for index in range(len(rows))]
    kept = [index for index in range(len(rows)) if belongs(names[index])][:count]
    if not kept:
        raise NoExamplesError(f"{shown(path)}: no rows in the split {split}; add some")
    lines = [lines[index] for index in kept]
    # Transposed once, because most of the work is on columns.
    cells = dict(zip(header, zip(*[rows[index] for index in kept])))
    labels = {}
    for task in tasks:
        if task.name in cells:
            labels[task.name] = labels_lib.parsed(path, lines, cells.pop(task.name), task)
        elif unlabelled:
            labels[task.name] = labels_lib.unlabelled(len(kept), task)
        else:
            raise labels_lib.missing(path, "column", task, header)
    columns = _columns(path, list(cells), inputs)
    features = np.empty((len(kept), len(columns)), np.float32)
    for index, column in enumerate(columns):
        features[:, index] = _numbers(path, lines, column, cells[column], inputs is None)
    return Examples(features, labels, [names[index] for index in kept], columns=columns)


def _read(path):
    """Return the header, the number of each line, and its fields."""
    cure = "write it with a header and a row for each example"
    found = csv_files.lines(path, MAX_BYTES, cure)
    header = csv_files.read_header(found)
    if not header:
        raise NoExamplesError(f"{shown(path)}: empty; {cure}")
    csv_files.check_header(path, header)
    lines, rows = [], []
    for line, fields in found:
        csv_files.check_fields(path, line, fields, header)
        lines.append(line)
        rows.append(fields)
    return header, lines, rows


def _columns(path, found, inputs):
    """Return the names of the features in the order of `inputs`; found: those in the file."""
    if not found:
        what = "no column is a feature, because each has the name of a task"
        raise DataError(f"{shown(path)}: {what}; add columns with features")
    if inputs is None:
        return found
    if not inputs.names:
        adapt.check_rank(path, Inputs((len(found),), 0, "float32"), inputs)
        return found
    for name in inputs.names:
        if name not in found:
            cure = "the network was trained with it; add it"
            raise csv_files.missing(path, "column", name, found, cure)
    extra = [name for name in found if name not in inputs.names]
    if extra:
        what = f"the network was not trained with the column {extra[0][:80]!r}"
        raise DataError(f"{shown(path)}: {what}; remove it")
    return list(inputs.names)


def _numbers(path, lines, column, cells, is_new):
    """Return the cells of a feature, float32 [n]; is_new: whether no network needs the column."""
    try:
        values = np.array(list(map(float, cells)), np.float64)
    except ValueError:
        values = np.array([_number(cell) for cell in cells])
    # A number beyond float32 would become infinite.
    wrong = ~(np.abs(values) <= np.finfo(np.float32).max)
    if not wrong.any():
        return values.astype(np.float32)
    index = int(np.flatnonzero(wrong)[0])
    cell = cells[index].strip()
    where = f"{shown(path)} line {lines[index]}, column {column[:80]}"
    if not cell:
        cure = "fill it, for example with the mean of the column, or remove the row"
        cure += " or the column" if is_new else ""
        raise DataError(f"{where}: an empty feature; {cure}")
    what = f"{cell[:80]!r} is not a finite number, as a feature must be"
    cure = f"{ENCODE}, name the column in --tasks, or remove it"
    if is_new and _is_text(cells):
        raise DataError(f"{where}: {what}; {cure}")
    raise DataError(f"{where}: {what}; correct it, or remove the row")


def _number(text):
    """Return a text as a float; NaN if the text is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_text(cells):
    """Return whether most filled cells of a column are not numbers."""
    filled = [cell for cell in cells if cell.strip()]
    return sum(math.isnan(_number(cell)) for cell in filled) > len(filled) / 2
