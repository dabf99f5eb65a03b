"""The dataset svhn: Street View House Numbers, full numbers (format 1), unpacked.

The folder contains {train,test,extra}/N.png, with a digitStruct.mat beside the images.
"""

import itertools
import os
import sys
from collections.abc import Callable

import numpy as np

from mtl.data import images
from mtl.data.examples import Examples, empty_windows, find_split, of_numbers
from mtl.data.svhn import digit_struct
from mtl.errors import DataError, NoExamplesError

DATASET = "svhn"


def load(
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> Examples:
    """Read a split of SVHN.

    The window of an image is the box of all its digits, grown to 1.3 times its size and clipped to
    the image. An entry without boxes is an image without a number; its window is the whole image.

    Args:
      data_dir: contains the folders train, test and extra.
      split: one of these, or "validation": the folder of that name, else one tenth of train.
      count: the largest number of examples to read; None reads all.
      warn: function str -> None, called if images are missing, and if names are repeated. None
        prints the warnings on stderr.

    Returns:
      Examples in the order of digitStruct.mat.

    Raises:
      NoExamplesError: the split has no images.
      DataError: the folder or digitStruct.mat is missing, or a file is broken.
    """
    directory, belongs = find_split(data_dir, split)
    path = os.path.join(directory, digit_struct.STRUCT)
    selection = _Selection(belongs, present=set(os.listdir(directory)))
    found = list(itertools.islice(digit_struct.entries(path, selection), count))
    if not found and not selection.missing:
        cure = "add images, or a folder of that name"
        raise NoExamplesError(f"{path}: it has no images of the split {split}; {cure}")
    if not found:
        what = f"all {selection.missing} images of the split {split} are missing"
        raise NoExamplesError(f"{path}: {what}; put the PNG files beside it")
    for line in selection.warnings(split, len(found)):
        (warn or _print_on_stderr)(f"{path}: {line}")

    windows = empty_windows(len(found), path)
    for window, entry in zip(windows, found):
        window[...] = _window(path, entry)
    names = [entry.name for entry in found]
    return of_numbers(windows, [entry.number for entry in found], names)


class _Selection:
    """A function that selects entries by name. It counts the images that it skips."""

    def __init__(self, belongs, present):
        self._belongs = belongs
        self._present = present
        self._seen = set()
        self._repeated = 0
        self.missing = 0

    def __call__(self, name):
        if not self._belongs(name):
            return False
        if name in self._seen:
            self._repeated += 1
            return False
        if name not in self._present:
            self.missing += 1
            return False
        self._seen.add(name)
        return True

    def warnings(self, split, found):
        """List the warnings; found: int, the number of entries that were read."""
        lines = []
        if self.missing:
            total = self.missing + found
            lines.append(f"skipped {self.missing} of {total} images of {split}: no such file")
        if self._repeated:
            lines.append(f"skipped {self._repeated} entries of {split}: name used before")
        return lines


def _print_on_stderr(line):
    print(line, file=sys.stderr)


def _window(path, entry) -> np.ndarray:
    """Return the window of an entry; path: its digitStruct.mat."""
    image = images.read(os.path.join(os.path.dirname(path), entry.name))
    box = images.grown(entry.boxes) if entry.boxes else None
    try:
        return images.window(image, box)
    except ValueError as error:
        cure = "correct its boxes or remove the image"
        raise DataError(f"{path}: entry {entry.name}: {error}; {cure}") from None
