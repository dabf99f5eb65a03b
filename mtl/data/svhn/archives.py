"""Find or download, verify and unpack the archives SPLIT.tar.gz of SVHN."""

import functools
import os
from collections.abc import Callable

from mtl.data.svhn import checksums, download, unpack
from mtl.data.svhn.checksums import Checksum, Progress
from mtl.data.svhn.digit_struct import STRUCT
from mtl.errors import DataError

ADDRESS = "http://ufldl.stanford.edu/housenumbers/"


def prepare(
    archive_dir: str,
    split: str,
    folder: str,
    table: dict[str, Checksum],
    url: str | None,
    say: Callable[[str], None],
    progress: Progress,
) -> tuple[str, str, dict]:
    """Return a folder with the images and the digitStruct.mat of a split.

    The archive is downloaded, verified and unpacked, unless an earlier run has done so.

    Args:
      archive_dir: contains SPLIT.tar.gz, or an unpacked folder SPLIT.
      split: "train", "test" or "extra".
      folder: archives are unpacked here. An archive that is unpacked here already is used.
      table: dict file name -> Checksum, the accepted archives.
      url: the address of the folder of archives, for downloads; None does not download.
      say: function str -> None, called with one-off messages.
      progress: called during the work.

    Returns:
      The folder, the name of the source, and a dict of the source's "md5", "bytes" and "url".

    Raises:
      DataError: neither an archive nor a folder exists, or the archive is not the expected one.
    """
    name = f"{split}.tar.gz"
    path, beside = os.path.join(archive_dir, name), os.path.join(archive_dir, split)
    struct = os.path.join(beside, STRUCT)
    if not os.path.exists(path) and os.path.isfile(struct):
        say(f"{beside}: using the folder; no {name} found beside it")
        facts = {
            "md5": checksums.md5(struct, progress),
            "bytes": os.path.getsize(struct),
            "url": "",
        }
        return beside, f"{split}/{STRUCT}", facts
    if name not in table:
        raise DataError(f"{path}: no line for {name} in --checksums; add `md5  bytes  {name}`")
    expected = table[name]
    unpacked = os.path.join(folder, expected.md5)  # the name identifies the archive
    if not os.path.isdir(unpacked):
        _find_archive(path, expected, url, say, progress)
        _unpack(path, split, unpacked, say, progress)
    known_url = url
    if not url and expected == checksums.OFFICIAL.get(name):
        known_url = ADDRESS
    facts = {
        "md5": expected.md5,
        "bytes": expected.bytes,
        "url": _join(known_url, name) if known_url else "",
    }
    return os.path.join(unpacked, split), name, facts


def _find_archive(path, expected, url, say, progress):
    """Verify the archive at `path`. Download it if it is missing and there is a url."""
    difference = functools.partial(checksums.difference, expected=expected, progress=progress)
    if os.path.exists(path):
        found = difference(path)
        if found:
            cure = "delete it and repeat with --download, or list your own archives in --checksums"
            raise DataError(f"{path}: {found}; {cure}")
        return
    if url:
        address = _join(url, os.path.basename(path))
        download.fetch(address, path, expected.bytes, difference, say, progress)
        return
    what = "no such file"
    if os.path.exists(path + ".part"):
        what += f", only {os.path.getsize(path + '.part')} of its bytes"
    split = os.path.basename(path).removesuffix(".tar.gz")
    what += f", and no folder {split} with {STRUCT}"
    raise DataError(f"{path}: {what}; add --download, or copy it there")


def _unpack(path, split, unpacked, say, progress):
    """Unpack an archive; leave nothing behind if it is rejected."""
    folder = os.path.dirname(unpacked)
    os.makedirs(folder, exist_ok=True)
    try:
        unpack.unpack(path, split, unpacked, say, progress)
    except DataError:
        if not os.listdir(folder):
            os.rmdir(folder)
        raise


def _join(url, name):
    return f"{url.rstrip('/')}/{name}"
