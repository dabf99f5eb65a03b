"""Examples as one NumPy file a split: DIR/SPLIT.npz with images uint8 [n, 64, 64, 3], numbers as texts, and names where there are any."""

import os
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from mtl import tasks
from mtl.config import CHANNELS, WINDOW
from mtl.data.batches import check_images
from mtl.data.examples import Examples, source
from mtl.errors import DataError, NoExamplesError
from mtl.runs import files

# What NumPy and zipfile raise at a damaged or foreign file.
_BROKEN = (OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, RuntimeError, SyntaxError, OverflowError, struct.error,
           tokenize.TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip


def load(data_dir: str, split: str, *, count: int | None = None) -> Examples:
    """Read a split.

    Args:
      data_dir: str, the directory that holds SPLIT.npz.
      split: str, the file's name without .npz, or "validation": the file of that name, else the held out part of train.
      count: int, deliver the first `count` at most; None delivers all.

    Returns:
      Examples in the order of the file. Without names they are called by their place, "0", "1", ...

    Raises:
      DataError: the file is missing, broken, or holds something else.
      NoExamplesError: none is of this split.
    """
    path, belongs = source(data_dir, split, ".npz")
    whole = read(path)
    kept = [i for i, name in enumerate(whole.names) if belongs(name)][:count]
    if not kept:
        raise NoExamplesError(f"{path}: no example of the split {split}: give it more examples")
    return Examples(
        whole.images[kept], [whole.numbers[i] for i in kept], [whole.names[i] for i in kept]
    )


def read(path: str) -> Examples:
    """Read all examples of an .npz file.

    Args:
      path: str.

    Returns:
      Examples in the order of the file.

    Raises:
      DataError: the file is missing, broken, or holds something else.
    """
    if os.path.isfile(path) and not zipfile.is_zipfile(path):
        raise DataError(
            f"{path}: not an .npz file, or cut short: write it anew with images and numbers, as mtl.data.npz.save does"
        )
    try:
        # Objects would be unpickled, which runs whatever code the file holds.
        with np.load(path, allow_pickle=False) as archive:
            if len(set(archive.files)) < len(archive.files):
                raise ValueError("an array is there twice")
            # np.asarray: a member that does not begin as an array does comes as bytes.
            images, numbers = np.asarray(archive["images"]), np.asarray(archive["numbers"])
            names = (
                np.asarray(archive["names"])
                if "names" in archive
                else np.arange(len(images)).astype(np.str_)
            )
    except _BROKEN as error:
        reason = " ".join(str(error.args[-1] if error.args else type(error).__name__).split())
        raise DataError(
            f"{path}: cannot be read ({reason}): write it anew with images and numbers, as mtl.data.npz.save does"
        ) from None
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[1:] != (WINDOW, WINDOW, CHANNELS)
    ):
        wanted = f"uint8 [n, {WINDOW}, {WINDOW}, {CHANNELS}]"
        raise DataError(
            f"{path}: images are {images.dtype} {list(images.shape)}, not {wanted}: write it anew as mtl.data.npz.save does"
        )
    for field, texts in (("numbers", numbers), ("names", names)):
        # As integers, numbers have lost their leading zeros.
        if texts.dtype.kind != "U" or texts.shape != (len(images),):
            raise DataError(
                f"{path}: {field} are {texts.dtype} {list(texts.shape)}, not {len(images)} texts: write them as np.str_"
            )
    for i, number in enumerate(numbers):
        try:
            tasks.encode(str(number))
        except ValueError as error:
            raise DataError(f"{path}: example {i}: {error}: write the label so") from None
    return Examples(images, numbers.tolist(), names.tolist())


def save(path: str, examples: Examples) -> None:
    """Write examples as an .npz file; it appears under its name when it is complete.

    Args:
      path: str, ending in .npz.
      examples: Examples.

    Raises:
      OSError: the file cannot be written.
      ValueError: the images are not what `read` accepts.
    """
    check_images(examples.images, ("n", WINDOW, WINDOW, CHANNELS))
    texts = {
        "numbers": np.array(examples.numbers, np.str_),
        "names": np.array(examples.names, np.str_),
    }
    with files.whole(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, images=examples.images, **texts)
