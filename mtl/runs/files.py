"""Files that are there whole or not at all, whether they could be written, asked before the work, and texts of a size that has a bound."""

import contextlib
import errno
import itertools
import os
import tempfile
from collections.abc import Iterator

from mtl.errors import DataError


@contextlib.contextmanager
def whole(path: str) -> Iterator[str]:
    """Let a file be written under another name, and give it its own when all of it is there.

    Args:
      path: str, replaced where it exists.

    Yields:
      str, the path to write to. Where the block fails it is removed, and what stood at `path` stays.

    Raises:
      OSError: the file cannot be renamed.
    """
    unfinished = f"{path}.tmp{os.getpid()}"
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def free(path: str) -> str:
    """Return the path if it does not exist, else the first of PATH-1, PATH-2, ... that does not."""
    others = (f"{path}-{number}" for number in itertools.count(1))
    return next(name for name in itertools.chain([path], others) if not os.path.lexists(name))


def read_text(path: str, limit: int, encoding: str = "utf-8-sig") -> str:
    """Read a text file that is small where it is what it should be.

    Args:
      path: str.
      limit: int, bytes that it has at most.
      encoding: str; "utf-8-sig" is UTF-8 with or without the byte order mark of some editors.

    Returns:
      str.

    Raises:
      OSError: it is missing, larger, or no file: a pipe would be waited for, and a device may have no end.
      UnicodeDecodeError: it is not a text in this encoding.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "not a file", path)
    with open(path, "rb") as file:
        content = file.read(limit + 1)  # whatever its size is said to be
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit >> 10} KB", path)
    return content.decode(encoding)


def check_file(path: str, flag: str) -> None:
    """Raise DataError where a file cannot be written, as its folder is missing or closed or a folder has its name.

    Args:
      path: str.
      flag: str, what named the file: "--out".
    """
    directory = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise DataError(f"{path}: is a folder; {flag} takes the name of a file")
    if not os.path.isdir(directory):
        raise DataError(f"{directory}: no such folder for {flag}; make it first")
    _try(directory, flag)


def check_folder(path: str, flag: str) -> None:
    """Raise DataError where a folder cannot be made, or written to; it is not made yet, so that a failure leaves nothing behind.

    Args:
      path: str, the folder; those above it may be missing too.
      flag: str, what named it: "--report".
    """
    _try(check_place(path, flag), flag)


def check_place(path: str, flag: str) -> str:
    """Return the nearest existing folder (str) of a path, whose arguments are those of `check_folder`.

    Raises:
      DataError: a file or a dangling link is in the way.
    """
    while not os.path.lexists(path):
        path = os.path.dirname(path.rstrip(os.sep)) or "."
    if os.path.islink(path) and not os.path.exists(path):
        raise DataError(
            f"{path}: is a link to {os.readlink(path)}, which does not exist; make that folder, or choose another {flag}"
        )
    if not os.path.isdir(path):
        raise DataError(f"{path}: is no folder; {flag} takes the name of a folder")
    return path


def _try(directory, flag):
    """Make a file without a name in a directory: permissions alone would not tell of a disk that is full or read only."""
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise DataError(
            f"{directory}: cannot be written ({error.strerror}); choose another folder for {flag}"
        ) from None
