"""Labelled examples in memory, and the splits of a dataset."""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl import tasks
from mtl.errors import DataError
from mtl.inputs import NUMBERS, Inputs


class Examples(NamedTuple):
    """n labelled examples."""

    # Images, uint8 or float32 in 0..1 [n, height, width, channels]; or features, float32 [n, d].
    inputs: np.ndarray
    labels: dict[str, np.ndarray]  # task name -> array [n, ...], see mtl/kinds
    names: list[str]  # n names to show in reports, usually file names
    numbers: Sequence[str] = ()  # n strings of digits, "" without a number; only of numbers
    columns: Sequence[str] = ()  # d names of the features; only of a table


class Opened(NamedTuple):
    """The training data of a run."""

    source: Callable[[int], Iterator]  # see mtl/data/batches.py
    tasks: tuple[tasks.Task, ...]  # with the scales of train
    inputs: Inputs  # with the scales of train


def of_numbers(images: np.ndarray, numbers: Sequence[str], names: Sequence[str]) -> Examples:
    """Return the Examples of n images of numbers, with the labels of the six tasks.

    Raises:
      ValueError: a number has a character that is not a digit.
    """
    return Examples(images, tasks.encode_all(numbers), list(names), list(numbers))


def numbers_inputs(window: int = 0, crop: int = NUMBERS.crop) -> Inputs:
    """Return the Inputs of numbers; window: pixels, 0 is the usual size."""
    height, width, channels = NUMBERS.shape
    return NUMBERS._replace(shape=(window or height, window or width, channels), crop=crop)


def select(examples: Examples, indices: Any) -> Examples:
    """Return the Examples at some indices, in their order; indices: int [m] or list of int."""
    labels = {name: values[indices] for name, values in examples.labels.items()}
    numbers = [examples.numbers[i] for i in indices] if len(examples.numbers) else ()
    names = [examples.names[i] for i in indices]
    return examples._replace(
        inputs=examples.inputs[indices], labels=labels, names=names, numbers=numbers
    )


def held_out(name: str, seed: int = 0) -> bool:
    """Return whether an example of train is used for validation: one in ten, by crc32 of its name.

    An example stays in its split when files are added, removed or reordered, because only its name
    and the seed decide. Another seed selects other examples.
    """
    # surrogatepass: the names in an .npz file may be invalid Unicode.
    return zlib.crc32(name.encode("utf-8", "surrogatepass"), seed) % 10 == 0


def find_split(data_dir: str, split: str, suffix: str = "") -> tuple[str, Callable[[str], bool]]:
    """Return the path of a split, and a function that selects its examples by name.

    Without a validation split on disk, validation is the part of train that `held_out` selects,
    and train is the rest.

    Args:
      data_dir: folder of the dataset.
      split: "train", "validation", "test" or another existing one.
      suffix: "" if splits are folders DIR/SPLIT, else they are files DIR/SPLIT<suffix>.

    Raises:
      DataError: there is no such split; the message lists the existing ones.
    """
    found = splits(data_dir, suffix)
    if split in ("train", "validation") and "train" in found and "validation" not in found:
        wanted = split == "validation"
        return os.path.join(data_dir, "train" + suffix), lambda name: held_out(name) == wanted
    if split in found:
        return os.path.join(data_dir, split + suffix), lambda name: True
    what = f"no split {split + suffix!r}, found {first_names(found)}"
    cure = "add it, name another split, or give the folder of the splits as --data_dir"
    raise DataError(f"{data_dir}: {what}; {cure}")


def splits(data_dir: str, suffix: str = "") -> list[str]:
    """List the splits in a folder, sorted; see `find_split`."""
    try:
        listed = sorted(os.listdir(data_dir))
    except OSError as error:
        cure = "give the folder of the dataset as --data_dir"
        raise DataError(f"{data_dir}: cannot be listed ({error.strerror}); {cure}") from None
    exists = os.path.isfile if suffix else os.path.isdir
    return [
        name.removesuffix(suffix)
        for name in listed
        if name.endswith(suffix) and exists(os.path.join(data_dir, name))
    ]


def first_names(names: list[str]) -> str:
    """Return the first eight names for an error message, or "none"."""
    if not names:
        return "none"
    return ", ".join([*names[:8], "..."] if len(names) > 8 else names)


def empty_windows(count: int, path: str, inputs: Inputs = NUMBERS) -> np.ndarray:
    """Allocate the array of `count` images, uninitialised.

    Raises:
      DataError: there is not enough memory. The message names `path`, the file that lists them.
    """
    try:
        return np.empty((count, *inputs.shape), inputs.dtype)
    except (MemoryError, ValueError):  # ValueError: the size overflows an integer
        height, width = inputs.shape[:2]
        what = f"{count} images of {height} x {width} pixels do not fit into memory"
        raise DataError(f"{path}: {what}; use fewer images, or a smaller window") from None
