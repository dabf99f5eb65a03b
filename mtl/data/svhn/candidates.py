"""The labelled images in SVHN's folders, and the records made from them.

Every image is checked before it becomes a record. An unusable image is skipped and counted.
"""

import functools
import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from PIL import ExifTags, Image

from mtl.data import examples, images
from mtl.data.records.format import Record
from mtl.data.svhn import digit_struct, unpack
from mtl.data.svhn.checksums import Progress
from mtl.data.svhn.skips import EntryError, Skips
from mtl.errors import DataError, shown

ORIENTATION = ExifTags.Base.Orientation


class Source(NamedTuple):
    """A folder of images with their digitStruct.mat."""

    directory: str
    prefix: str  # of the names of its records, so that they are unique among several sources


class Candidate(NamedTuple):
    """A labelled image that has not been read yet."""

    source: Source
    entry: digit_struct.Entry

    @property
    def name(self) -> str:
        """The name of the record."""
        return self.source.prefix + self.entry.name


def read(
    sources: Iterable[Source],
    splits: list[str],
    seed: int,
    skips: Skips,
    progress: Progress,
) -> dict[str, list[Candidate]]:
    """Read the labels of some sources, and divide the images into splits.

    The order and the split of an image depend only on its name and the seed. Adding or removing
    images moves no other image to another split.

    Args:
      splits: one split, or one and "validation", which gets every tenth image.
      seed: for the order and the choice of validation.
      skips: counts the entries of digitStruct.mat that are missing, repeated or broken.
      progress: called with (what, entries read, files in the folder).

    Returns:
      dict split -> list of Candidate, shuffled.

    Raises:
      DataError: a digitStruct.mat is missing or invalid.
    """
    split_of = functools.partial(_split_of, splits=splits, seed=seed)
    found = {split: [] for split in splits}
    for source in sources:
        for candidate in _Labels(source, split_of, skips, progress):
            found[split_of(candidate.name)].append(candidate)
    for chosen in found.values():
        # A hash gives the same order in every version of Python and NumPy.
        chosen.sort(key=functools.partial(_order, seed=seed))
    return found


def _split_of(name, splits, seed):
    """Return the split of a record; name "" stands for an entry with a broken name."""
    if name and "validation" in splits and examples.held_out(name, seed):
        return "validation"
    return splits[0]


def _order(candidate, seed):
    return hashlib.sha256(f"{seed} {candidate.name}".encode()).digest()


class _Labels:
    """Iterates over the Candidates of a source; counts the entries that it skips."""

    def __init__(self, source, split_of, skips, progress):
        self._source = source
        self._split_of = split_of
        self._skips = skips
        self._progress = progress
        self._present = set(os.listdir(source.directory))
        self._seen = set()

    def __iter__(self):
        path = os.path.join(self._source.directory, digit_struct.STRUCT)
        for entry in digit_struct.entries(path, self._wanted, self._skip):
            yield Candidate(self._source, entry)

    def _wanted(self, name):
        if name in self._seen:
            self._skip(name, "repeated names", name)
            return False
        if name not in self._present:
            self._skip(name, "missing images", name)
            return False
        self._seen.add(name)
        if len(self._seen) % 100 == 0:
            what = f"reading {self._source.prefix}{digit_struct.STRUCT}"
            self._progress(what, len(self._seen), len(self._present))
        return True

    def _skip(self, name, kind, message):
        split = self._split_of(self._source.prefix + name if name else "")
        self._skips.add(split, kind, message)


def usable(candidates: Iterable[Candidate], split: str, skips: Skips) -> Iterator[Record]:
    """Make records of the candidates of a split.

    Args:
      skips: counts the candidates that cannot be used.

    Yields:
      Record. It contains the file unchanged, or a PNG if other decoders might show the file
      differently from `images.read`.
    """
    for candidate in candidates:
        try:
            yield _record(candidate)
        except EntryError as error:
            skips.add(split, error.kind, f"{candidate.name}: {error}")


def _record(candidate):
    """Return a Record; raise EntryError if the image or its boxes cannot be used."""
    name, number, boxes = candidate.entry
    _check_boxes(boxes)
    encoded = _read_file(os.path.join(candidate.source.directory, name))
    image = _decode(name, encoded, boxes)
    if not _is_plain(encoded):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        encoded = buffer.getvalue()
        _check_size(len(encoded))
    return Record(candidate.name, encoded, image.height, image.width, number, boxes)


def _check_boxes(boxes):
    for left, top, right, bottom in boxes:
        if left >= right or top >= bottom:
            message = f"a box of {right - left:g} x {bottom - top:g} pixels"
            raise EntryError("boxes without width or height", message)


def _read_file(path):
    """Return the bytes of an image file."""
    if not os.path.isfile(path):  # opening a pipe would block
        raise EntryError("unreadable images", "not a file")
    _check_size(os.path.getsize(path))
    with open(path, "rb") as file:
        return file.read()


def _check_size(size):
    if size > unpack.MAX_IMAGE:
        message = f"{size} bytes, more than the limit of {unpack.MAX_IMAGE}"
        raise EntryError("images that are too large", message)


def _decode(name, encoded, boxes):
    """Return the PIL image of a file.

    It also cuts the window, as the reader of the record does, so that training cannot fail on it.
    """
    try:
        image = images.read(name, io.BytesIO(encoded))
        images.window(image, images.grown(boxes) if boxes else None)
    except DataError as error:
        raise EntryError("unreadable images", str(error).removeprefix(f"{shown(name)}: ")) from None
    except ValueError as error:
        raise EntryError("boxes outside the image", str(error)) from None
    return image


def _is_plain(encoded):
    """Return whether all decoders agree on an image: PNG or JPEG, RGB or grey, opaque, upright."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = Image.open(io.BytesIO(encoded))
        try:
            upright = header.getexif().get(ORIENTATION, 1) == 1
        except Exception:  # broken EXIF data, which images.read ignores, but other decoders may not
            return False
        return (
            upright
            and header.format in ("PNG", "JPEG")
            and header.mode in ("L", "RGB")
            and not header.has_transparency_data
        )
