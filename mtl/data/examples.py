"""Labelled images in memory, and the splits of a dataset."""

import os
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mtl.config import CHANNELS, WINDOW
from mtl.errors import DataError


class Examples(NamedTuple):
    """n images of numbers, each cut to the window and resized."""

    images: np.ndarray  # uint8 [n, WINDOW, WINDOW, CHANNELS], RGB
    numbers: list[str]  # n strings of digits; "" is an image without a number
    names: list[str]  # n names to show in reports, usually file names


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
    found = _splits(data_dir, suffix)
    if split in ("train", "validation") and "train" in found and "validation" not in found:
        wanted = split == "validation"
        return os.path.join(data_dir, "train" + suffix), lambda name: held_out(name) == wanted
    if split in found:
        return os.path.join(data_dir, split + suffix), lambda name: True
    what = f"no split {split + suffix!r}, found {first_names(found)}"
    raise DataError(f"{data_dir}: {what}; give the folder of the splits as --data_dir")


def _splits(data_dir, suffix):
    """List the splits in a folder; see find_split."""
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


def empty_windows(count: int, path: str) -> np.ndarray:
    """Allocate uint8 [count, WINDOW, WINDOW, CHANNELS], uninitialised.

    Raises:
      DataError: there is not enough memory. The message names `path`, the file that lists them.
    """
    try:
        return np.empty((count, WINDOW, WINDOW, CHANNELS), np.uint8)
    except (MemoryError, ValueError):  # ValueError: the size overflows an integer
        what = f"{count} images of {WINDOW} x {WINDOW} pixels do not fit into memory"
        raise DataError(f"{path}: {what}; use fewer images") from None
