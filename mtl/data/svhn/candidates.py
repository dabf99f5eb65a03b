"""What the directories of SVHN offer to be converted: labelled pictures, each looked at closely before it becomes a record.

What cannot be used is left out and counted by its kind: of 200,000 pictures a few may be broken, and nobody would start anew for them.
"""

import hashlib
import io
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from PIL import ExifTags, Image

from mtl.data import examples, images
from mtl.data.records.format import Record
from mtl.data.svhn import archives, reader
from mtl.errors import DataError

ORIENTATION = ExifTags.Base.Orientation


class Source(NamedTuple):
    """A directory of pictures with their digitStruct.mat, ready to be read."""

    directory: str
    prefix: str  # what makes its pictures' names unique among those of other sources


class Candidate(NamedTuple):
    """A labelled picture that nobody has looked at yet."""

    source: Source
    entry: reader.Entry

    @property
    def name(self) -> str:
        """What the record will be called."""
        return self.source.prefix + self.entry.name


class Skips:
    """What is left out of which split, counted by its kind, with the first of each kind as an example."""

    def __init__(self):
        self.counts, self._first = defaultdict(Counter), {}

    def add(self, split: str, kind: str, message: str) -> None:
        """Count a picture that is left out of a split; the message says what is wrong with it."""
        self.counts[split][kind] += 1
        self._first.setdefault((split, kind), message)

    def report(self, split: str, say: Callable[[str], None]) -> None:
        """Say one line for each kind of what was left out of a split."""
        for kind, count in sorted(self.counts[split].items()):
            example = self._first.get((split, kind))  # none where an earlier run met them
            say(
                f"{split}: {count} skipped: {kind}" + (f", the first: {example}" if example else "")
            )


def read(
    sources: Iterable[Source],
    splits: list[str],
    seed: int,
    skips: Skips,
    progress: Callable[[str, int, int], None],
) -> dict[str, list[Candidate]]:
    """Read what is labelled, and share it out.

    Args:
      sources: Sources, whose pictures are mixed.
      splits: list of str, what they become: one split, or one and "validation", which gets every tenth.
      seed: int, of the choice of validation and of the order.
      skips: Skips, to which what is absent, named twice or broken in digitStruct.mat is added.
      progress: called with (what, entries read, pictures there).

    Returns:
      dict split -> list of Candidate, shuffled. Both follow from names and seed alone: a picture more or less moves no other one
      to another split.

    Raises:
      DataError: a digitStruct.mat is missing or no such file.
    """
    found = {split: [] for split in splits}

    def split_of(name):
        return (
            "validation"
            if name and "validation" in found and examples.held_out(name, seed)
            else splits[0]
        )

    for source in sources:
        for candidate in _labelled(
            source, lambda name, *why: skips.add(split_of(name), *why), progress
        ):
            found[split_of(candidate.name)].append(candidate)
    for chosen in found.values():
        # By hash, not by a random generator: it stays the same on any version of Python and NumPy.
        chosen.sort(
            key=lambda candidate: hashlib.sha256(f"{seed} {candidate.name}".encode()).digest()
        )
    return found


def _labelled(source, skip, progress):
    """Yield the Candidates of a source; skip(record's name, kind, message) is called for other entries."""
    seen, present = set(), set(os.listdir(source.directory))

    def wanted(name):
        if name in seen or name not in present:
            skip(
                source.prefix + name,
                "pictures named twice" if name in seen else "pictures that are absent",
                name,
            )
            return False
        seen.add(name)
        if len(seen) % 100 == 0:
            progress(f"reading {source.prefix}{reader.STRUCT}", len(seen), len(present))
        return True

    def broken(name, kind, message):
        skip(name and source.prefix + name, kind, message)

    for entry in reader.entries(os.path.join(source.directory, reader.STRUCT), wanted, broken):
        yield Candidate(source, entry)


def usable(candidates: Iterable[Candidate], split: str, skips: Skips) -> Iterator[Record]:
    """Make records of the candidates of a split.

    Args:
      candidates: Candidates.
      split: str.
      skips: Skips, to which those are added that cannot be used.

    Yields:
      Record: the file as it is, or encoded anew as PNG where a plain decoder would see another picture in it than mtl does.
    """
    for candidate in candidates:
        try:
            yield _record(candidate)
        except reader.EntryError as error:
            skips.add(split, error.kind, f"{candidate.name}: {error}")


def _record(candidate):
    """Make a Record; EntryError where the picture or its boxes cannot be used."""
    name, number, boxes = candidate.entry
    path = os.path.join(candidate.source.directory, name)
    for left, top, right, bottom in boxes:
        if not (left < right and top < bottom):
            raise reader.EntryError(
                "boxes without width or height",
                f"a box of {right - left:g} x {bottom - top:g} pixels",
            )
    if not os.path.isfile(path):  # opening a pipe would wait for its writer
        raise reader.EntryError("pictures that cannot be read", "not a file")
    _check_size(os.path.getsize(path))
    with open(path, "rb") as file:
        encoded = file.read()
    try:
        # All that a reader will do with it, so that a training meets no surprise after hours.
        picture = images.read(name, io.BytesIO(encoded))
        images.window(picture, images.grown(boxes) if boxes else None)
    except DataError as error:
        raise reader.EntryError(
            "pictures that cannot be read", str(error).removeprefix(f"{name}: ")
        ) from None
    except ValueError as error:
        raise reader.EntryError("boxes outside the picture", str(error)) from None
    if not _plain(encoded):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        encoded = buffer.getvalue()
        _check_size(len(encoded))
    return Record(candidate.name, encoded, picture.height, picture.width, number, boxes)


def _check_size(size):
    """Raise EntryError where the file of a picture has more bytes than are unpacked of one, or than fit into a record."""
    if size > archives.MAX_PICTURE:
        raise reader.EntryError(
            "pictures that are too large",
            f"{size} bytes, and at most {archives.MAX_PICTURE} are read",
        )


def _plain(encoded):
    """Tell whether a file that can be read is a PNG or JPEG in RGB or grey, opaque and upright: what any decoder sees alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = Image.open(io.BytesIO(encoded))
        try:
            upright = header.getexif().get(ORIENTATION, 1) == 1
        except Exception:  # broken EXIF data, which mtl passes over; others may not
            return False
        return (
            upright
            and header.format in ("PNG", "JPEG")
            and header.mode in ("L", "RGB")
            and not header.has_transparency_data
        )
