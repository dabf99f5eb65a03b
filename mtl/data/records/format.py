"""Pictures with their labels in a few large files (TFRecord shards) and a manifest.json that says what must be in them.

A data set of hundreds of thousands of small files is read slowly and moved badly. `mtl convert` writes shards of a few thousand pictures
each; `--dataset=records` reads them. The pictures are stored as they were, encoded and whole: the window is cut when they are read.
"""

import hashlib
import io
import itertools
import math
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.data import images
from mtl.data.examples import Examples, room, some
from mtl.data.records.manifest import (
    CURE,
    FRAME,
    MANIFEST,
    MAX_RECORD,
    VERSION,
    read_manifest,
    sync,
    write_manifest,
)
from mtl.errors import DataError, NoExamplesError
from mtl.runs import files

# What convert and others who write records need beside the shards is found here too.
__all__ = [
    "FAILED", "MANIFEST", "MAX_RECORD", "VERSION", "Record", "Shard", "broken", "claimed", "find", "load", "parse", "read_manifest",
    "reason", "serialize", "serialized_records", "shard_name", "window", "write_manifest", "write_shard",
]  # fmt: skip


# UnicodeDecodeError: TensorFlow quotes the damaged record in its message, and its binding to Python chokes on that.
FAILED = (tf.errors.OpError, UnicodeDecodeError)


class Record(NamedTuple):
    """One picture with its number."""

    name: str  # of the picture's file, "17.png"
    encoded: bytes  # the PNG or JPEG file as it is
    height: int  # pixels
    width: int
    number: str  # digits; "" is a picture without a number
    boxes: list[images.Box]  # one for each digit, as it was drawn: it may reach beyond the picture


class Shard(NamedTuple):
    """One file of records."""

    path: str
    records: int  # that must be in it
    bytes: int


# -- writing ------------------------------------------------------------------------------------------------------------------------


def shard_name(split: str, index: int, count: int) -> str:
    """Return the file name of shard `index`, counted from 0, of the `count` shards of a split."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def write_shard(path: str, records: Iterable[Record]) -> dict[str, Any]:
    """Write a shard; it appears under its name when it is complete and on the disk.

    Args:
      path: str.
      records: Records, taken one at a time.

    Returns:
      dict for the manifest: "file" (without its directory), "records", "bytes" and "sha256" (hex).

    Raises:
      DataError: the file cannot be written.
    """
    count = 0
    with files.whole(path) as unfinished:
        try:
            with tf.io.TFRecordWriter(unfinished) as writer:
                for record in records:
                    writer.write(serialize(record))
                    count += 1
        except (
            tf.errors.OpError
        ) as error:  # TensorFlow's own file system raises these where Python raises OSError
            raise DataError(
                f"{path}: cannot be written ({reason(error)}): make room, or choose another directory"
            ) from None
        sync(unfinished)
    return {
        "file": os.path.basename(path),
        "records": count,
        "bytes": os.path.getsize(path),
        "sha256": _sha256(path),
    }


def serialize(record: Record) -> bytes:
    """Turn a Record into the bytes of a tf.train.Example."""
    digits = [int(digit) for digit in record.number]
    features = {
        "image/name": _bytes(record.name.encode("utf-8")),
        "image/encoded": _bytes(record.encoded),
        "image/height": _integers([record.height]),
        "image/width": _integers([record.width]),
        "digits": _integers(digits),
        "length": _integers([len(digits)]),
        "boxes": tf.train.Feature(
            float_list=tf.train.FloatList(value=[side for box in record.boxes for side in box])
        ),
    }
    # The features are a map; each process would write it in an order of its own, and the sha256 of a shard would change with it.
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(
        deterministic=True
    )


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """Return what a TensorFlow error says, on one line."""
    return " ".join((getattr(error, "message", "") or type(error).__name__).split())[:200]


# -- reading -------------------------------------------------------------------------------------------------------------------------


def load(data_dir: str, split: str, *, count: int | None = None) -> Examples:
    """Read a split; the window is the box of all digits, grown and clipped to the picture.

    Args:
      data_dir: str, the directory that mtl convert wrote.
      split: str, one that manifest.json names.
      count: int, read the first `count` at most; None reads all.

    Returns:
      Examples in the order of the shards.

    Raises:
      DataError: there is no such split, or a shard or one of its records is broken; the message names them.
      NoExamplesError: the split is empty, or it is validation and there is none.
    """
    shards = find(data_dir, split)
    total = sum(shard.records for shard in shards)
    windows = room(total if count is None else min(count, total), os.path.join(data_dir, MANIFEST))
    numbers, names = [], []
    for i, (window, number, name) in enumerate(
        itertools.islice(itertools.chain.from_iterable(map(_windows, shards)), count)
    ):
        windows[i] = window
        numbers.append(number)
        names.append(name)
    return Examples(windows, numbers, names)


def _windows(shard):
    """Yield (uint8 [WINDOW, WINDOW, 3], number, name) of each record of a shard."""
    for place, serialized in enumerate(serialized_records(shard)):
        try:
            record = parse(serialized)
            yield window(record), record.number, record.name
        except (ValueError, DataError) as error:
            raise broken(shard, place, error) from None


def window(record: Record) -> np.ndarray:
    """Decode the picture of a Record and cut its window.

    Args:
      record: Record.

    Returns:
      uint8 [WINDOW, WINDOW, 3].

    Raises:
      DataError: the picture is broken or too large.
      ValueError: it is of another size than the record says, or the boxes lie outside of it.
    """
    picture = images.read(record.name, io.BytesIO(record.encoded))
    if picture.size != (record.width, record.height):
        raise ValueError(
            f"the picture is {picture.width} x {picture.height}, and {record.width} x {record.height} by the record"
        )
    return images.window(picture, images.grown(record.boxes) if record.boxes else None)


def find(data_dir: str, split: str) -> list[Shard]:
    """Find the shards of a split.

    Args:
      data_dir: str, the directory that mtl convert wrote.
      split: str.

    Returns:
      list of Shard, in the manifest's order, with at least one record.

    Raises:
      DataError: there is no such split, or the manifest does not hold; see `read_manifest`.
      NoExamplesError: the split is empty, or it is validation and there is none.
    """
    splits, path = read_manifest(data_dir)["splits"], os.path.join(data_dir, MANIFEST)
    if splits.get(split, {"records": split != "validation"})["records"] == 0:
        raise NoExamplesError(f"{path}: no record of the split {split}: convert more pictures")
    if split not in splits:
        raise DataError(
            f"{path}: no split {split!r} there, found {some(list(splits))}: choose one of them, or convert it"
        )
    return [
        Shard(os.path.join(data_dir, shard["file"]), shard["records"], shard["bytes"])
        for shard in splits[split]["shards"]
    ]


def serialized_records(shard: Shard) -> Iterator[bytes]:
    """Read the records of a shard one at a time.

    Args:
      shard: Shard.

    Yields:
      bytes of each, whose checksums hold; `parse` takes them apart.

    Raises:
      DataError: a record is damaged or cut short, or there are fewer or more of them than the manifest says.
    """
    place, claims = 0, claimed(shard)
    try:
        found = tf.io.tf_record_iterator(os.fsencode(shard.path))
        while True:
            length = next(
                claims, 0
            )  # of the record that comes: those before it were whole, so that this is where it begins
            if length > MAX_RECORD:
                raise broken(
                    shard,
                    place,
                    f"claims to be of {length} bytes, and at most {MAX_RECORD} are read",
                )
            serialized = next(found, None)
            if serialized is None:
                break
            if place == shard.records:
                raise DataError(
                    f"{shard.path}: more than the {shard.records} records of {MANIFEST}: delete it and {CURE}"
                )
            yield serialized
            place += 1
    except FAILED as error:
        raise broken(shard, place, reason(error)) from None
    if place < shard.records:
        raise DataError(
            f"{shard.path}: {place} records, and {shard.records} by {MANIFEST}: delete it and {CURE}"
        )


def claimed(shard: Shard) -> Iterator[int]:
    """Read how many bytes each record of a shard claims to have; none of this is held against a checksum."""
    try:
        with open(shard.path, "rb", buffering=1 << 20) as file:
            while len(head := file.read(FRAME - 4)) == FRAME - 4:
                length = int.from_bytes(head[:8], "little")
                yield length
                if (
                    not 0 < length <= MAX_RECORD
                ):  # TensorFlow will not come further; and a hole in a file is zeros without end
                    break
                file.seek(length + 4, os.SEEK_CUR)  # its checksum, too
    except OSError as error:
        raise DataError(f"{shard.path}: cannot be read ({error.strerror}): {CURE}") from None


def broken(shard: Shard, place: int, why: Any) -> DataError:
    """Return the error of record `place`, counted from 0, of a shard; why: what is said of it, str or exception."""
    return DataError(f"{shard.path}: record {place}: {why}: delete the shard and {CURE}")


def parse(serialized: bytes) -> Record:
    """Turn the bytes of a tf.train.Example back into a Record, and check it; the picture stays encoded.

    Args:
      serialized: bytes.

    Returns:
      Record.

    Raises:
      ValueError: a feature is missing, or labels, boxes and sizes do not fit.
    """
    try:
        found = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's DecodeError, a ValueError in some of its versions alone
        raise ValueError(f"not a tf.train.Example ({error})") from None
    values = {
        name: getattr(found[name], kind).value if name in found else []
        for name, kind in _KINDS.items()
    }
    for name in ("image/name", "image/encoded", "image/height", "image/width", "length"):
        if len(values[name]) != 1:
            raise ValueError(f"{len(values[name])} values of {name}")
    height, width, digits, sides = (
        values["image/height"][0],
        values["image/width"][0],
        values["digits"],
        values["boxes"],
    )
    if values["length"][0] != len(digits):
        raise ValueError(f"length {values['length'][0]}, and {len(digits)} digits")
    for digit in digits:
        if digit not in range(10):
            raise ValueError(f"the digit {digit} is none of 0 to 9")
    if len(sides) not in (0, 4 * len(digits)) or not all(map(math.isfinite, sides)):
        raise ValueError(
            f"{len(sides)} sides of boxes of {len(digits)} digits, or not all of them finite"
        )
    if height < 1 or width < 1 or height * width > images.MAX_PIXELS:
        raise ValueError(
            f"{width} x {height} pixels, and pictures of 1 to {images.MAX_PIXELS // 10**6} million are read"
        )
    boxes = [tuple(sides[first : first + 4]) for first in range(0, len(sides), 4)]
    return Record(
        values["image/name"][0].decode("utf-8"),
        values["image/encoded"][0],
        height,
        width,
        "".join(map(str, digits)),
        boxes,
    )


_KINDS = {
    "image/name": "bytes_list",
    "image/encoded": "bytes_list",
    "image/height": "int64_list",
    "image/width": "int64_list",
    "digits": "int64_list",
    "length": "int64_list",
    "boxes": "float_list",
}
