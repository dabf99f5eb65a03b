"""Examples as NumPy files: DIR/SPLIT.npz.

images     uint8 or float in 0..1 [n, height, width] or [n, height, width, channels]; or
features   numbers [n, d]
TASK       the labels of each task, see mtl/kinds: integers, -1 means not labelled, or bools; for a
           real task floats, NaN means not labelled, or integers. The six tasks of the answer have
           n strings: numbers.
names      optional, n strings
"""

import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from mtl import tasks as tasks_lib
from mtl.data import adapt, arrays, csv_files, labels as labels_lib
from mtl.data.examples import Examples, find_split, numbers_inputs, of_numbers, select
from mtl.errors import DataError, NoExamplesError, shown
from mtl.inputs import Inputs
from mtl.runs import files
from mtl.tasks import NUMBER_TASKS, Task

DATASET = "npz"
OWN_TASKS = True

INPUTS = ("images", "features")
NUMBERS, NAMES = "numbers", "names"  # of arrays
CURE = "write it again with np.savez"

# What NumPy and zipfile raise for a damaged file.
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    OverflowError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


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
    """Read a split. Arguments as registry.load.

    Returns:
      Examples in the order of the file. If the file has no names, they are "0", "1", ...

    Raises:
      DataError: the file is missing, broken, or has other arrays.
      NoExamplesError: the split is empty.
    """
    path, belongs = find_split(data_dir, split, ".npz")
    if inputs is None and tasks_lib.is_numbers(tasks):
        inputs = numbers_inputs(window)
    whole = read(path, tasks, unlabelled=unlabelled)
    kept = [i for i, name in enumerate(whole.names) if belongs(name)][:count]
    if not kept:
        raise NoExamplesError(f"{shown(path)}: no examples in the split {split}; add some")
    chosen = select(whole, kept)
    return chosen._replace(inputs=adapt.delivered(path, chosen.inputs, inputs, window))


def read(path: str, tasks: Sequence[Task] = NUMBER_TASKS, *, unlabelled: bool = False) -> Examples:
    """Read all examples of an .npz file, in its order, with their own size and type.

    Raises:
      DataError: the file is missing, broken, or has other arrays.
    """
    if os.path.isfile(path) and not zipfile.is_zipfile(path):
        raise DataError(f"{shown(path)}: not an .npz file, or truncated; {CURE}")
    _check_names(path, tasks)
    try:
        found = _arrays(path, tasks)
    except _BROKEN as error:
        text = " ".join(str(error.args[-1] if error.args else type(error).__name__).split())
        cure = "store numbers or text, not Python objects" if "pickle" in text else CURE
        raise DataError(f"{shown(path)}: cannot be read ({text}); {cure}") from None
    values, names = _inputs(path, found, tasks), found.get(NAMES)
    if names is None:
        names = np.arange(len(values)).astype(np.str_)
    texts = _texts(path, NAMES, names, len(values))
    if tasks_lib.is_numbers(tasks) and (NUMBERS in found or not unlabelled):
        return _numbers(path, values, found, texts)
    labels = {}
    for task in tasks:
        if task.name in found:
            labels[task.name] = labels_lib.checked(path, found[task.name], len(values), task)
        elif unlabelled:
            labels[task.name] = labels_lib.unlabelled(len(values), task)
        else:
            raise labels_lib.missing(path, "array", task, list(found))
    return Examples(values, labels, texts)


def _check_names(path, tasks):
    """Raise DataError if a task has the name of another array."""
    for task in tasks:
        if task.name in (*INPUTS, NUMBERS, NAMES):
            what = f"the task {task.name} has the name of an array that is not a label"
            raise DataError(f"{shown(path)}: {what}; rename the task and its array")


def _arrays(path, tasks):
    """Return the arrays of a file by name; raise one of _BROKEN if the file is damaged.

    Other arrays than those of the tasks are not read: their value is None.
    """
    wanted = {*INPUTS, NUMBERS, NAMES, *(task.name for task in tasks)}
    # No pickles: they can run any code.
    with np.load(path, allow_pickle=False) as archive:
        if len(set(archive.files)) < len(archive.files):
            raise ValueError("an array is stored twice")
        # np.asarray, because a member without an array header is returned as bytes.
        names = archive.files
        return {name: np.asarray(archive[name]) if name in wanted else None for name in names}


def _inputs(path, found, tasks):
    """Return the checked images or features of a file."""
    present = [name for name in INPUTS if name in found]
    if not present:
        raise _missing(path, INPUTS[0], found)
    if len(present) > 1:
        raise DataError(f"{shown(path)}: has both images and features; remove one of the arrays")
    values = found[present[0]]
    if present[0] == "images":
        return arrays.images(path, values)
    if tasks_lib.is_numbers(tasks):
        raise _missing(path, INPUTS[0], found)
    return arrays.features(path, values)


def _numbers(path, images, found, names):
    """Return the Examples of a file with numbers."""
    if NUMBERS not in found:
        raise _missing(path, NUMBERS, found)
    # Numbers stored as integers have lost their leading zeros.
    numbers = _texts(path, NUMBERS, found[NUMBERS], len(images))
    for i, number in enumerate(numbers):
        try:
            tasks_lib.encode(number)
        except ValueError as error:
            raise DataError(f"{shown(path)}: example {i}: {error}; correct the label") from None
    return of_numbers(images, numbers, names)


def _texts(path, field, texts, count):
    """Return an array of strings as a list."""
    if texts.dtype.kind != "U" or texts.shape != (count,):
        found = f"{texts.dtype} {list(texts.shape)}, not {count} strings"
        raise DataError(f"{shown(path)}: {field} are {found}; save them as np.str_")
    return texts.tolist()


def _missing(path, name, found):
    """Return the error of a missing array of inputs or numbers."""
    cure = "add the array"
    if name == NUMBERS:
        cure += "; other labels need a network with --tasks, such as --tasks=digit:10"
    return csv_files.missing(path, "array", name, list(found), cure)


def save(path: str, examples: Examples) -> None:
    """Write an .npz file atomically.

    Raises:
      OSError: the file cannot be written.
      DataError: the images or features are not what `read` accepts.
    """
    name = INPUTS[examples.inputs.ndim == 2]
    getattr(arrays, name)(path, examples.inputs)
    if len(examples.inputs) != len(examples.names):
        what = f"{name} are {len(examples.inputs)} for {len(examples.names)} names"
        raise DataError(f"{shown(path)}: {what}; give one for each example")
    stored = {name: examples.inputs, NAMES: np.array(examples.names, np.str_), **examples.labels}
    if len(examples.numbers):
        for task in NUMBER_TASKS:
            del stored[task.name]
        stored[NUMBERS] = np.array(examples.numbers, np.str_)
    with files.whole(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, **stored)
