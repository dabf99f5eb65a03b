"""Files: write one atomically, check an output path early, read a text of limited size."""

import contextlib
import errno
import itertools
import os
import tempfile
from collections.abc import Iterator

from mtl.errors import DataError


@contextlib.contextmanager
def whole(path: str) -> Iterator[str]:
    """Write a file under a temporary name, then rename it, in `with`.

    If the block fails, the temporary file is removed and an existing file at `path` stays.

    Yields:
      str, the temporary path to write to.

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


def sync(path: str) -> None:
    """Flush a file to disk. Without it, a rename may reach the disk before the content."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def free(path: str) -> str:
    """Return the first of PATH, PATH-1, PATH-2, ... that does not exist."""
    candidate = path
    for number in itertools.count(1):
        if not os.path.lexists(candidate):
            break
        candidate = f"{path}-{number}"
    return candidate


def read_text(path: str, limit: int, encoding: str = "utf-8-sig") -> str:
    """Read a text file of limited size.

    Args:
      path: str.
      limit: int, the largest size in bytes.
      encoding: str; "utf-8-sig" is UTF-8 with or without a byte order mark.

    Raises:
      OSError: the file is missing, too large, or not a regular file. A pipe would block, and a
        device may never end.
      UnicodeDecodeError: the text has another encoding.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "not a file", path)
    with open(path, "rb") as file:
        # The reported size may be wrong: for files in /proc it is 0.
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit >> 10} KB", path)
    return content.decode(encoding)


def check_file(path: str, flag: str) -> None:
    """Check that a file can be written. Creates nothing.

    Args:
      path: str.
      flag: str, the flag that named the file, "--out".

    Raises:
      DataError: the path is a folder, or its folder is missing or not writable.
    """
    directory = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise DataError(f"{path}: is a folder; {flag} takes the name of a file")
    if not os.path.isdir(directory):
        raise DataError(f"{directory}: no such folder for {flag}; make it first")
    _check_writable(directory, flag)


def check_folder(path: str, flag: str) -> None:
    """Check that a folder can be created and written to. Creates nothing.

    Args:
      path: str; the folders above it may be missing too.
      flag: str, the flag that named the folder, "--report".

    Raises:
      DataError: as `check_place`, or the folder is not writable.
    """
    _check_writable(check_place(path, flag), flag)


def check_place(path: str, flag: str) -> str:
    """Return the nearest existing folder on a path. Arguments as `check_folder`.

    Raises:
      DataError: a part of the path is a file or a dangling link.
    """
    while not os.path.lexists(path):
        path = os.path.dirname(path.rstrip(os.sep)) or "."
    if os.path.islink(path) and not os.path.exists(path):
        what = f"is a link to {os.readlink(path)}, which does not exist"
        raise DataError(f"{path}: {what}; make that folder, or choose another {flag}")
    if not os.path.isdir(path):
        raise DataError(f"{path}: is not a folder; {flag} takes the name of a folder")
    return path


def _check_writable(directory, flag):
    # Permissions alone do not show that a disk is full or read-only.
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        cure = f"choose another folder for {flag}"
        raise DataError(f"{directory}: cannot be written ({error.strerror}); {cure}") from None
