"""Examples as NumPy files: DIR/SPLIT.npz with the arrays images, numbers and optionally names.

images: uint8 [n, WINDOW, WINDOW, CHANNELS]; numbers and names: n strings.
"""

import os
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from mtl import tasks
from mtl.config import CHANNELS, WINDOW
from mtl.data.batches import check_images
from mtl.data.examples import Examples, find_split
from mtl.errors import DataError, NoExamplesError
from mtl.runs import files

DATASET = "npz"
OWN_TASKS = True

CURE = "write it again with mtl.data.npz.save"

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


def load(data_dir: str, split: str, *, count: int | None = None) -> Examples:
    """Read a split.

    Args:
      data_dir: contains SPLIT.npz.
      split: the name of the file without .npz, or "validation"; see find_split.
      count: the largest number of examples to return; None returns all.

    Returns:
      Examples in the order of the file. If the file has no names, they are "0", "1", ...

    Raises:
      DataError: the file is missing, broken, or has other arrays.
      NoExamplesError: the split is empty.
    """
    path, belongs = find_split(data_dir, split, ".npz")
    whole = read(path)
    kept = [i for i, name in enumerate(whole.names) if belongs(name)][:count]
    if not kept:
        raise NoExamplesError(f"{path}: no examples in the split {split}; add some")
    numbers = [whole.numbers[i] for i in kept]
    names = [whole.names[i] for i in kept]
    return Examples(whole.images[kept], numbers, names)


def read(path: str) -> Examples:
    """Read all examples of an .npz file, in its order.

    Raises:
      DataError: the file is missing, broken, or has other arrays.
    """
    if os.path.isfile(path) and not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an .npz file, or truncated; {CURE}")
    try:
        images, numbers, names = _arrays(path)
    except _BROKEN as error:
        text = str(error.args[-1] if error.args else type(error).__name__)
        raise DataError(f"{path}: cannot be read ({' '.join(text.split())}); {CURE}") from None
    shape = (WINDOW, WINDOW, CHANNELS)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
        wanted = f"uint8 [n, {WINDOW}, {WINDOW}, {CHANNELS}]"
        found = f"{images.dtype} {list(images.shape)}"
        raise DataError(f"{path}: images are {found}, not {wanted}; {CURE}")
    for field, texts in (("numbers", numbers), ("names", names)):
        # Numbers stored as integers have lost their leading zeros.
        if texts.dtype.kind != "U" or texts.shape != (len(images),):
            found = f"{texts.dtype} {list(texts.shape)}, not {len(images)} strings"
            raise DataError(f"{path}: {field} are {found}; save them as np.str_")
    for i, number in enumerate(numbers):
        try:
            tasks.encode(str(number))
        except ValueError as error:
            raise DataError(f"{path}: example {i}: {error}; correct the label") from None
    return Examples(images, numbers.tolist(), names.tolist())


def _arrays(path):
    """Return the arrays images, numbers and names; raise one of _BROKEN if the file is damaged."""
    # No pickles: they can run any code.
    with np.load(path, allow_pickle=False) as archive:
        if len(set(archive.files)) < len(archive.files):
            raise ValueError("an array is stored twice")
        # np.asarray, because a member without an array header is returned as bytes.
        images = np.asarray(archive["images"])
        numbers = np.asarray(archive["numbers"])
        if "names" in archive:
            return images, numbers, np.asarray(archive["names"])
        return images, numbers, np.arange(len(images)).astype(np.str_)


def save(path: str, examples: Examples) -> None:
    """Write an .npz file atomically.

    Raises:
      OSError: the file cannot be written.
      ValueError: the images are not uint8 [n, WINDOW, WINDOW, CHANNELS].
    """
    check_images(examples.images, ("n", WINDOW, WINDOW, CHANNELS))
    numbers = np.array(examples.numbers, np.str_)
    names = np.array(examples.names, np.str_)
    with files.whole(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, images=examples.images, numbers=numbers, names=names)
