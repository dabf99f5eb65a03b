"""Sizes and MD5 checksums of archives: SVHN's, or those in a user's table."""

import hashlib
import os
import re
from collections.abc import Callable
from typing import NamedTuple

from mtl.errors import DataError
from mtl.runs import files

MAX_BYTES = 1 << 20  # size of a table of checksums
_LINE = re.compile(r"\s*([0-9a-fA-F]{32})\s+([1-9][0-9]{0,14})\s+(\S+)\s*")

# Called with (description, amount done, total amount).
Progress = Callable[[str, int, int], None]


class Checksum(NamedTuple):
    """The MD5 checksum and the size of a file."""

    md5: str  # hexadecimal
    bytes: int


OFFICIAL = {
    "train.tar.gz": Checksum("a649f4cb15c35520e8a8c342d4c0005a", 404_141_560),
    "test.tar.gz": Checksum("790d9c8d42f1fcbd219b59956c853a81", 276_555_967),
    "extra.tar.gz": Checksum("606f41243d71ca4d5fe66dbaf1f02bee", 1_955_489_752),
}


def read(path: str) -> dict[str, Checksum]:
    """Read a table of checksums.

    Args:
      path: a text file of lines `md5  bytes  name`. Empty lines and lines that begin with # are
        skipped.

    Returns:
      dict file name -> Checksum.

    Raises:
      DataError: the file cannot be read, a line is invalid, or two lines for one name differ.
    """
    table, lines_of = {}, {}
    for number, line in enumerate(_read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            cure = "write `md5  bytes  name`, where md5 has 32 hexadecimal digits"
            raise DataError(f"{path} line {number}: invalid: {line[:80]!r}; {cure}")
        name, checksum = match[3], Checksum(match[1].lower(), int(match[2]))
        if table.setdefault(name, checksum) != checksum:
            what = f"{name[:80]} has another md5 or size on line {lines_of[name]}"
            raise DataError(f"{path} line {number}: {what}; keep the correct line")
        lines_of.setdefault(name, number)
    return table


def _read_lines(path):
    try:
        return files.read_text(path, MAX_BYTES).splitlines()
    except OSError as error:
        cure = "give a file of lines `md5  bytes  name` as --checksums"
        raise DataError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; write lines `md5  bytes  name`") from None


def md5(path: str, progress: Progress) -> str:
    """Return the MD5 checksum of a file, hexadecimal."""
    digest, done, total = hashlib.md5(usedforsecurity=False), 0, os.path.getsize(path)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            done += len(block)
            progress(f"checking {os.path.basename(path)}", done, total)
    return digest.hexdigest()


def difference(path: str, expected: Checksum, progress: Progress) -> str:
    """Return how a file differs from the expected one, or "" if it does not."""
    size = os.path.getsize(path)
    if size != expected.bytes:
        what = "incomplete" if size < expected.bytes else "another file"
        return f"{what}: {size} bytes instead of {expected.bytes}"
    found = md5(path, progress)
    if found != expected.md5:
        return f"damaged or another file: md5 {found} instead of {expected.md5}"
    return ""
