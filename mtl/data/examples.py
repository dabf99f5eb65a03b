"""Labelled pictures of numbers in memory: what every data set with an end delivers, and which of them belong to a split."""

import os
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mtl.config import CHANNELS, WINDOW
from mtl.errors import DataError


class Examples(NamedTuple):
    """n pictures of numbers, each cut to the window and resized."""

    images: np.ndarray  # uint8 [n, WINDOW, WINDOW, 3], RGB
    numbers: list[str]  # n strings of digits; "" is a picture without a number
    names: list[str]  # n names to show a person, mostly file names


def held_out(name: str, seed: int = 0) -> bool:
    """Tell whether an example of train is kept for validation: every tenth, by crc32 of its name; another seed (int) keeps others."""
    # Decided by the name alone, so that it stays where it is when files are added, taken away or listed in another order.
    # surrogatepass: an .npz of names may hold what is no text.
    return zlib.crc32(name.encode("utf-8", "surrogatepass"), seed) % 10 == 0


def source(data_dir: str, split: str, suffix: str = "") -> tuple[str, Callable[[str], bool]]:
    """Find what a split is read from.

    Args:
      data_dir: str, the directory of the data set.
      split: str, "train", "validation", "test" or another that is there.
      suffix: str, "" where splits are directories DIR/SPLIT, else of the files DIR/SPLIT<suffix>.

    Returns:
      (str path, function name -> bool that tells which examples in there belong to the split). Without a validation split
      of its own, validation is the part of train that `held_out` names, and train is the rest.

    Raises:
      DataError: there is no such split; the message names those there are.
    """
    try:
        listed = sorted(os.listdir(data_dir))
    except OSError as error:
        raise DataError(
            f"{data_dir}: cannot be listed ({error.strerror}): give the data set's directory as --data_dir"
        ) from None
    is_kind = os.path.isfile if suffix else os.path.isdir
    found = [
        name[: len(name) - len(suffix)]
        for name in listed
        if name.endswith(suffix) and is_kind(os.path.join(data_dir, name))
    ]
    if split in ("train", "validation") and "train" in found and "validation" not in found:
        return os.path.join(
            data_dir, "train" + suffix
        ), lambda name: held_out(name) == (split == "validation")
    if split in found:
        return os.path.join(data_dir, split + suffix), lambda name: True
    shown = some(found)
    raise DataError(
        f"{data_dir}: no split {split + suffix!r} there, found {shown}: --data_dir is the directory that holds the splits"
    )


def some(names: list[str]) -> str:
    """Return the first of names, to be shown in a message, or "none"."""
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"


def room(count: int, path: str) -> np.ndarray:
    """Return room for windows, uint8 [count, WINDOW, WINDOW, CHANNELS]; DataError names `path`, which asks for it, where there is none."""
    try:
        return np.empty((count, WINDOW, WINDOW, CHANNELS), np.uint8)
    except (MemoryError, ValueError):  # ValueError: more than can be counted
        size = f"{count} pictures of {WINDOW} x {WINDOW} pixels"
        raise DataError(
            f"{path}: {size} are more than the memory holds: take fewer of them"
        ) from None
