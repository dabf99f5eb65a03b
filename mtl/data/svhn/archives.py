"""The SVHN archives SPLIT.tar.gz: known by size and md5, and unpacked without trust in what they hold."""

import gzip
import hashlib
import os
import re
import shutil
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from mtl.data.svhn import download
from mtl.data.svhn.reader import STRUCT
from mtl.errors import DataError
from mtl.runs import files

UNFINISHED = ".unfinished"  # ends the name of a folder while an archive is unpacked to it
ADDRESS = "http://ufldl.stanford.edu/housenumbers/"

# What is unpacked at most. The largest archive, extra, holds 202,353 pictures in 2 GB, and a digitStruct.mat of 1 to 2 GB.
MAX_MEMBERS = 300_000
MAX_BYTES = 16 << 30  # of all members together
MAX_STRUCT = 4 << 30  # of digitStruct.mat
MAX_PICTURE = 32 << 20  # of a picture file; the largest of SVHN has less than 2 MB
MAX_HEADER = (
    1 << 20
)  # of a long name or of pax records, which tarfile reads into memory whole, however much they claim to be


class Checksum(NamedTuple):
    """What a file is known by."""

    md5: str  # hex
    bytes: int


OFFICIAL = {
    "train.tar.gz": Checksum("a649f4cb15c35520e8a8c342d4c0005a", 404_141_560),
    "test.tar.gz": Checksum("790d9c8d42f1fcbd219b59956c853a81", 276_555_967),
    "extra.tar.gz": Checksum("606f41243d71ca4d5fe66dbaf1f02bee", 1_955_489_752),
}

Progress = Callable[[str, int, int], None]  # of (what is done, how much of it, of how much)


def read_checksums(path: str) -> dict[str, Checksum]:
    """Read a table of archives of one's own.

    Args:
      path: str, a text file of lines `md5  bytes  name`; empty lines and those that begin with # are passed over.

    Returns:
      dict file name -> Checksum.

    Raises:
      DataError: it is missing, a line is not of this form, or two lines of one name differ; the
        message names it.
    """
    table, known = {}, {}
    try:
        lines = files.read_text(path, MAX_HEADER).splitlines()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}): give a file of lines `md5  bytes  name` as --checksums"
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8: write lines `md5  bytes  name`") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"\s*([0-9a-fA-F]{32})\s+([1-9][0-9]{0,14})\s+(\S+)\s*", line)
        if not match:
            raise DataError(
                f"{path} line {number}: {line[:80]!r}: write `md5  bytes  name`, where md5 has 32 hexadecimal digits"
            )
        name, checksum = match[3], Checksum(match[1].lower(), int(match[2]))
        if table.setdefault(name, checksum) != checksum:
            what = f"another md5 or size of {name[:80]} than on line {known[name]}"
            raise DataError(f"{path} line {number}: {what}: keep the correct line")
        known.setdefault(name, number)
    return table


def md5(path: str, progress: Progress) -> str:
    """Return the md5 (hex) of a file."""
    digest, done, total = hashlib.md5(usedforsecurity=False), 0, os.path.getsize(path)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            done += len(block)
            progress(f"checking {os.path.basename(path)}", done, total)
    return digest.hexdigest()


def differs(path: str, expected: Checksum, progress: Progress) -> str:
    """Say what tells a file from the one that is expected, "" where nothing does."""
    size = os.path.getsize(path)
    if size != expected.bytes:
        return f"{'cut short' if size < expected.bytes else 'another file'}: {size} bytes, and {expected.bytes} are expected"
    found = md5(path, progress)
    return (
        ""
        if found == expected.md5
        else f"damaged or another file: md5 {found}, and {expected.md5} is expected"
    )


def unpack(
    path: str, split: str, folder: str, say: Callable[[str], None], progress: Progress
) -> None:
    """Unpack SPLIT/N.png and SPLIT/digitStruct.mat of an archive; the folder appears when it is complete.

    Links, devices and names that lead elsewhere are errors. Files that are none of the data set, such as those that file managers leave
    behind, are counted and left out.

    Args:
      path: str, the archive.
      split: str, "train", "test" or "extra".
      folder: str, what to make: it will hold SPLIT/. What an earlier run left half done is replaced.
      say: called with one line where members are left out.
      progress: called as the archive is read.

    Raises:
      DataError: the archive is broken, holds more than the limits above, or what it must not hold.
    """
    unfinished = folder + UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    size = os.path.getsize(path)
    download.check_room(
        unfinished, 2 * size, path
    )  # pictures hardly shrink, digitStruct.mat to a tenth
    try:
        ignored = _unpack(
            path,
            split,
            unfinished,
            lambda done: progress(f"unpacking {os.path.basename(path)}", done, size),
        )
        if not os.path.isfile(os.path.join(unfinished, split, STRUCT)):
            raise DataError(
                f"{path}: holds no {split}/{STRUCT}: take the archive of full numbers (format 1)"
            )
    except DataError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if ignored:
        shown = ", ".join(sorted(ignored)[:3]) + (", ..." if len(ignored) > 3 else "")
        say(
            f"{path}: {sum(ignored.values())} files that are none of the data set are left out ({shown})"
        )
    os.rename(unfinished, folder)


class _Member(tarfile.TarInfo):
    """A member of an archive, refused where its name alone is longer than MAX_HEADER, or where it is sparse: its map may have no end."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        kinds = (
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        )
        if member.type in kinds and member.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {member.size} bytes")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse member")
        return member

    def _proc_gnusparse_10(self, *arguments):
        raise tarfile.ReadError("a sparse member")


def _unpack(path, split, folder, progress):
    """Unpack the members that belong to the data set; return a Counter of the names of others."""
    try:
        # gzip by itself rather than tarfile's "r|gz", which takes an archive that was cut between two members for a whole one.
        with (
            open(path, "rb") as raw,
            gzip.open(raw) as plain,
            tarfile.open(fileobj=plain, mode="r|", tarinfo=_Member) as tar,
        ):
            ignored = _unpack_members(path, split, tar, folder, lambda: progress(raw.tell()))
            plain.read(1 << 20)  # to the end, where the checksum of gzip stands
            return ignored
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        ValueError,
        RecursionError,
    ) as error:  # the last: headers without end
        raise DataError(
            f"{path}: not a .tar.gz archive, or damaged ({error}): fetch it again"
        ) from None


# The filter refuses what leads out of the folder, as the list of names below does. Python has it from 3.10.12, 3.11.4 and 3.12 on.
_FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def _unpack_members(path, split, tar, folder, progress):
    """Unpack member after member, each checked by its header before a byte of it is written; return a Counter of names left out."""
    taken = re.compile(rf"(?:\./)?{split}/(?:[0-9]{{1,7}}\.png|digitStruct\.mat|see_bboxes\.m)")
    members, total, ignored = 0, 0, Counter()
    while (member := tar.next()) is not None:
        members, total = members + 1, total + member.size
        shown = repr(member.name[:80])
        if members > MAX_MEMBERS:
            raise DataError(
                f"{path}: more than {MAX_MEMBERS} members, which no SVHN archive has: fetch it again"
            )
        if member.issparse() or not (member.isreg() or member.isdir()):
            raise DataError(
                f"{path}: the member {shown} is a link or a device, and files alone are unpacked: fetch the archive again"
            )
        if (
            member.name.startswith(("/", "\\"))
            or ".." in re.split(r"[/\\]", member.name)
            or re.match("[A-Za-z]:", member.name)
        ):
            raise DataError(
                f"{path}: the member {shown} leads out of the folder: fetch the archive again"
            )
        if (
            member.size > (MAX_PICTURE if member.name.endswith(".png") else MAX_STRUCT)
            or total > MAX_BYTES
        ):
            raise DataError(
                f"{path}: the member {shown} of {member.size} bytes is more than is unpacked: fetch the archive again"
            )
        if member.isreg() and taken.fullmatch(member.name):
            if os.path.lexists(os.path.join(folder, member.name)):
                what = f"the member {shown} is there twice"
                raise DataError(f"{path}: {what}: fetch the archive again")
            tar.extract(member, folder, set_attrs=False, **_FILTER)
        elif member.isreg():
            ignored[os.path.basename(member.name)[:40]] += 1
        tar.members.clear()  # where tarfile remembers all that it has seen
        if members % 100 == 0:
            progress()
    return ignored


def prepare(
    archive_dir: str,
    split: str,
    folder: str,
    table: dict[str, Checksum],
    url: str | None,
    say: Callable[[str], None],
    progress: Progress,
) -> tuple[str, str, dict]:
    """Bring the pictures of a split and their digitStruct.mat into a directory: fetched, verified, unpacked, as far as need be.

    Args:
      archive_dir: str, where SPLIT.tar.gz lies, or SPLIT/ as somebody else unpacked it.
      split: str, "train", "test" or "extra".
      folder: str, where archives are unpacked to; one that is there already is taken as it is.
      table: dict file name -> Checksum, the archives that are accepted.
      url: str, the address of the folder of archives to fetch a missing one from; None fetches nothing.
      say: called with one line of what is decided.
      progress: called as work is done.

    Returns:
      (str the directory, str the name of the source, dict of its "md5", "bytes" and "url").

    Raises:
      DataError: there is neither archive nor directory, or it is not what was expected.
    """
    name = f"{split}.tar.gz"
    path, beside = os.path.join(archive_dir, name), os.path.join(archive_dir, split)
    if not os.path.exists(path) and os.path.isfile(os.path.join(beside, STRUCT)):
        say(f"{beside}: taken as it is, for there is no {name} beside it")
        struct = os.path.join(beside, STRUCT)
        return (
            beside,
            f"{split}/{STRUCT}",
            {"md5": md5(struct, progress), "bytes": os.path.getsize(struct), "url": ""},
        )
    if name not in table:
        raise DataError(f"{path}: --checksums has no line for {name}: add `md5  bytes  {name}`")
    expected = table[name]
    unpacked = os.path.join(folder, expected.md5)  # whose name proves what it was unpacked from
    if not os.path.isdir(unpacked):
        if os.path.exists(path):
            wrong = differs(path, expected, progress)
            if wrong:
                raise DataError(
                    f"{path}: {wrong}: delete it and repeat with --download, or name archives of your own with --checksums"
                )
        elif url:
            download.fetch(
                _join(url, name),
                path,
                expected.bytes,
                lambda part: differs(part, expected, progress),
                say,
                progress,
            )
        else:
            part = (
                f", only {os.path.getsize(path + '.part')} of its bytes"
                if os.path.exists(path + ".part")
                else ""
            )
            raise DataError(
                f"{path}: no such file{part}, nor a folder {split} with {STRUCT}: add --download, or copy it there"
            )
        os.makedirs(folder, exist_ok=True)
        try:
            unpack(path, split, unpacked, say, progress)
        except DataError:
            if not os.listdir(folder):  # what is refused leaves nothing behind
                os.rmdir(folder)
            raise
    known = _join(ADDRESS, name) if expected == OFFICIAL.get(name) else ""
    source = {
        "md5": expected.md5,
        "bytes": expected.bytes,
        "url": _join(url, name) if url else known,
    }
    return os.path.join(unpacked, split), name, source


def _join(url, name):
    return f"{url.rstrip('/')}/{name}"
