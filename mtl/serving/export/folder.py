"""The folder of an exported model: OUT/1, OUT/2, ... each written whole or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator

from mtl import checkpoint
from mtl.errors import DataError, shown
from mtl.runs import files
from mtl.serving.export import record

_MOST_BYTES = 1 << 24  # of mtl.json


def check(out: str, format: str) -> None:
    """Check that a version can be written. Creates nothing.

    Args:
      out: the folder of all versions; it may be missing.
      format: of the new version.

    Raises:
      DataError: it cannot be written, is a run directory, or holds models of another format.
    """
    files.check_folder(out, "--out")
    where = shown(out)
    if os.path.exists(os.path.join(out, checkpoint.CONFIG)):
        raise DataError(f"{where}: is a run directory; choose another folder for --out")
    for number in versions(out):
        path = os.path.join(out, str(number), record.NAME)
        found = _format(path)
        if found not in (None, format):
            what = f"version {number} has --format={found}"
            cure = f"choose another folder for --format={format}"
            raise DataError(f"{where}: {what}; {cure}")


def _format(path):
    """Return the format in a file mtl.json, or None if it is not readable."""
    try:
        return json.loads(files.read_text(path, _MOST_BYTES))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def versions(out: str) -> list[int]:
    """Return the numbers of the versions in a folder, in order."""
    names = os.listdir(out) if os.path.isdir(out) else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


@contextlib.contextmanager
def whole(out: str) -> Iterator[str]:
    """Write a version under a temporary name, then rename it to the next number, in `with`.

    If the block fails, nothing is left. A server ignores the temporary name, because it is no
    number.

    Yields:
      The path of the temporary folder. `finish` renames it.

    Raises:
      OSError: the folder cannot be written.
    """
    made = _missing(out)
    unfinished = os.path.join(out, f".unfinished-{os.getpid()}")
    try:
        os.makedirs(unfinished)
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):  # not empty: the version was written
                os.rmdir(path)


def _missing(path):
    """List the folders of a path that do not exist, the deepest first."""
    found = []
    while path and not os.path.lexists(path):
        found.append(path)
        path = os.path.dirname(path.rstrip(os.sep))
    return found


def finish(unfinished: str, out: str) -> str:
    """Rename a temporary folder of `whole` to the next number; return its path."""
    for name in os.listdir(unfinished):
        files.sync(os.path.join(unfinished, name))
    number = (versions(out) or [0])[-1] + 1
    while True:
        path = os.path.join(out, str(number))
        try:
            os.rename(unfinished, path)
            return path
        except OSError:
            if not os.path.lexists(path):
                raise
            number += 1  # another process was faster
