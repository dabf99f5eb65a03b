"""Small datasets of real data for your own tasks: `python -m mtl.examples` lists them.

Each file of this folder is an example, found by its name. It has:

    DATASET            the reader of its files, "npz" or "table"
    TASKS, BOTTOM      as in --tasks and --bottom
    splits() -> dict   split -> dict name -> array of n: the images or features, and the labels
"""

import csv
import importlib
import io
import os
import pathlib

import numpy as np

from mtl.errors import DataError
from mtl.runs import files

FOLDER = pathlib.Path(__file__).parent
SEED = 20  # of the splits; another seed makes another dataset, whose figures differ


def found():
    """Return the paths of the examples by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("[a-z]*.py"))}


def find(name):
    """Return the module of an example; name: str, one of `found`."""
    return importlib.import_module(f"{__name__}.{name}")


def load(package, module):
    """Import a module that belongs to the extra [examples].

    Args:
      package: str, the name under which the package is installed, "scikit-learn".
      module: str, "sklearn.datasets".

    Raises:
      DataError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        cure = "install it with: pip install 'mtl[examples]'"
        raise DataError(f"{package}: not installed, but this example needs it; {cure}") from None


def divide(classes, shares, rng):
    """Divide examples into parts at random, with equal shares of each class in every part.

    Args:
      classes: int [n].
      shares: dict name of a part -> float, its share. They add to 1.
      rng: np.random.Generator.

    Returns:
      dict name of a part -> int array of indices, in random order.
    """
    edges = np.cumsum(list(shares.values()))[:-1]
    parts = {name: [] for name in shares}
    for each in np.unique(classes):
        indices = rng.permutation(np.flatnonzero(classes == each))
        cuts = np.rint(edges * len(indices)).astype(int)
        for name, part in zip(parts, np.split(indices, cuts)):
            parts[name].append(part)
    return {name: rng.permutation(np.concatenate(part)) for name, part in parts.items()}


def generator(purpose):
    """Return the random generator of a purpose; purpose: int."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([SEED, purpose])))


def write(example, out):
    """Write the splits of an example into a folder. Existing files with the same content stay.

    Args:
      example: a module of this folder.
      out: str, the folder; created if it is missing.

    Returns:
      dict split -> int, its number of examples.

    Raises:
      DataError: a package is missing, or the folder holds other data or cannot be written.
    """
    files.check_folder(out, "--out")
    encode, suffix = _FORMATS[example.DATASET]
    splits = example.splits()
    contents = {os.path.join(out, f"{name}{suffix}"): encode(splits[name]) for name in splits}
    try:
        new = [path for path in contents if not _holds(path, contents[path])]
        os.makedirs(out, exist_ok=True)
        for path in new:
            with files.whole(path) as unfinished, open(unfinished, "wb") as file:
                file.write(contents[path])
    except OSError as error:
        cure = "choose another folder for --out"
        raise DataError(f"{out}: cannot be written ({error.strerror}); {cure}") from None
    return {name: len(next(iter(splits[name].values()))) for name in splits}


def _holds(path, content):
    """Return whether a file exists with this content; raise DataError if it has another."""
    if not os.path.lexists(path):
        return False
    if os.path.isfile(path) and os.path.getsize(path) == len(content):
        with open(path, "rb") as file:
            if file.read() == content:
                return True
    raise DataError(f"{path}: exists with other content; remove it, or choose another --out")


def _npz(arrays):
    """Return arrays as the bytes of an .npz file. Equal arrays give equal bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _csv(columns):
    """Return columns, dict name -> strings, as the bytes of a CSV file with a header."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values()))
    return file.getvalue().encode("utf-8")


_FORMATS = {"npz": (_npz, ".npz"), "table": (_csv, ".csv")}
