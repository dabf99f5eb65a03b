"""Unpack an SVHN archive of unknown origin: nothing outside the folder, nothing too large."""

import functools
import gzip
import os
import re
import shutil
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable

from mtl.data.svhn import download
from mtl.data.svhn.checksums import Progress
from mtl.data.svhn.digit_struct import STRUCT
from mtl.errors import DataError

UNFINISHED = ".unfinished"  # suffix of a folder that is not complete yet

# Limits. SVHN's largest archive, extra, contains 202,353 images in 2 GB, and a digitStruct.mat of 1
# to 2 GB.
MAX_MEMBERS = 300_000
MAX_BYTES = 16 << 30  # total size of all members
MAX_STRUCT = 4 << 30  # of digitStruct.mat
MAX_IMAGE = 32 << 20  # of an image file; SVHN's largest has less than 2 MB
MAX_HEADER = 1 << 20  # of a long name or of pax records, which tarfile reads into memory at once

# The filter rejects paths outside the folder, as _check_member does. Python has it since 3.10.12,
# 3.11.4 and 3.12.
_FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
_LONG_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# What a damaged archive raises; RecursionError: too many headers for one member.
_ERRORS = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    ValueError,
    RecursionError,
)


def unpack(
    path: str, split: str, folder: str, say: Callable[[str], None], progress: Progress
) -> None:
    """Unpack SPLIT/N.png and SPLIT/digitStruct.mat of an archive.

    Links, devices and paths outside the folder are errors. Other files, such as those of file
    managers, are counted and skipped.

    Args:
      path: the archive.
      split: "train", "test" or "extra".
      folder: the folder to create atomically; it will contain SPLIT/. The incomplete folder of an
        interrupted run is replaced.
      say: function str -> None, called if files are skipped.
      progress: called while the archive is read.

    Raises:
      DataError: the archive is damaged, exceeds a limit above, or has a forbidden member.
    """
    unfinished = folder + UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    size = os.path.getsize(path)
    # Images are compressed already; digitStruct.mat grows to ten times its size.
    download.check_free_space(unfinished, 2 * size, path)
    try:
        skipped = _unpack(path, split, unfinished, progress)
        if not os.path.isfile(os.path.join(unfinished, split, STRUCT)):
            cure = "use the archive of full numbers (format 1)"
            raise DataError(f"{path}: {split}/{STRUCT} is missing; {cure}")
    except DataError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if skipped:
        names = ", ".join(sorted(skipped)[:3]) + (", ..." if len(skipped) > 3 else "")
        say(f"{path}: {skipped.total()} files skipped that are not part of SVHN ({names})")
    os.rename(unfinished, folder)


class _Member(tarfile.TarInfo):
    """A member of an archive. Raises ReadError if its header is too long or it is sparse.

    The header of a sparse member contains a map that may be endless.
    """

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        if member.type in _LONG_HEADERS and member.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {member.size} bytes")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse member")
        return member

    def _proc_gnusparse_10(self, *arguments):
        raise tarfile.ReadError("a sparse member")


def _unpack(path, split, folder, progress):
    """Unpack the members that belong to the dataset; return a Counter of the other names."""
    size = os.path.getsize(path)
    report = functools.partial(progress, f"unpacking {os.path.basename(path)}")
    try:
        # Not mode "r|gz": tarfile accepts an archive that was cut off between two members.
        with (
            open(path, "rb") as raw,
            gzip.open(raw) as plain,
            tarfile.open(fileobj=plain, mode="r|", tarinfo=_Member) as tar,
        ):
            skipped = Counter()
            for count, member in enumerate(_checked_members(path, tar), 1):
                _unpack_member(path, split, folder, tar, member, skipped)
                if count % 100 == 0:
                    report(raw.tell(), size)
            plain.read(1 << 20)  # to the end, where gzip's checksum is
            return skipped
    except _ERRORS as error:
        what = f"not a .tar.gz archive, or damaged ({error})"
        raise DataError(f"{path}: {what}; download it again") from None


def _checked_members(path, tar):
    """Yield the members of an archive, each checked by its header."""
    count, total = 0, 0
    while (member := tar.next()) is not None:
        count += 1
        total += member.size
        if count > MAX_MEMBERS:
            what = f"more than {MAX_MEMBERS} members, which no SVHN archive has"
            raise DataError(f"{path}: {what}; download it again")
        fault = _fault(member, total)
        if fault:
            raise DataError(f"{path}: {_shown(member)} {fault}; download the archive again")
        yield member
        tar.members.clear()  # tarfile would keep all members in memory


def _fault(member, total):
    """Return why a member is rejected, or ""; total: bytes of all members up to this one."""
    if member.issparse() or not (member.isreg() or member.isdir()):
        return "is a link or a device, not a file"
    is_absolute = member.name.startswith(("/", "\\")) or re.match("[A-Za-z]:", member.name)
    if is_absolute or ".." in re.split(r"[/\\]", member.name):
        return "leads outside the folder"
    limit = MAX_IMAGE if member.name.endswith(".png") else MAX_STRUCT
    if member.size > limit or total > MAX_BYTES:
        return f"of {member.size} bytes is too large"
    return ""


def _shown(member):
    return f"the member {member.name[:80]!r}"


def _unpack_member(path, split, folder, tar, member, skipped):
    """Write a member that belongs to the dataset; count any other file in `skipped`."""
    if not member.isreg():
        return
    if not re.fullmatch(
        rf"(?:\./)?{split}/(?:[0-9]{{1,7}}\.png|digitStruct\.mat|see_bboxes\.m)", member.name
    ):
        skipped[os.path.basename(member.name)[:40]] += 1
        return
    if os.path.lexists(os.path.join(folder, member.name)):
        raise DataError(f"{path}: {_shown(member)} occurs twice; download the archive again")
    tar.extract(member, folder, set_attrs=False, **_FILTER)
