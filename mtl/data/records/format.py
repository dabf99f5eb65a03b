"""Records as tf.train.Example, and the TFRecord files (shards) that contain them.

Hundreds of thousands of small files are slow to read and to copy. `mtl convert` writes shards of a
few thousand images each, and `--dataset=records` reads them. A record stores the whole image file,
and the reader cuts the window.
"""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl.data import images
from mtl.data.records.manifest import CURE, FRAME, MANIFEST, MAX_RECORD, Shard
from mtl.errors import DataError
from mtl.runs import files

# What TensorFlow raises for a damaged shard. UnicodeDecodeError: its message quotes the damaged
# record, which Python cannot decode.
TF_ERRORS = (tf.errors.OpError, UnicodeDecodeError)

FEATURES = {  # name -> kind of list in a tf.train.Feature
    "image/name": "bytes_list",
    "image/encoded": "bytes_list",
    "image/height": "int64_list",
    "image/width": "int64_list",
    "digits": "int64_list",
    "length": "int64_list",
    "boxes": "float_list",
}
_SINGLE = ("image/name", "image/encoded", "image/height", "image/width", "length")


class Record(NamedTuple):
    """One image with its number."""

    name: str  # of the image file, "17.png"
    encoded: bytes  # the unchanged PNG or JPEG file
    height: int  # pixels
    width: int
    number: str  # digits; "" is an image without a number
    boxes: list[images.Box]  # one for each digit; they may extend beyond the image


# -- writing ---------------------------------------------------------------------------------------


def shard_name(split: str, index: int, count: int) -> str:
    """Return the file name of shard `index`, counted from 0, of the `count` shards of a split."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def write_shard(path: str, records: Iterable[Record]) -> dict[str, Any]:
    """Write a shard atomically, and flush it to disk.

    Returns:
      the entry of the manifest: "file" (its name), "records", "bytes" and "sha256" (hex).

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
        except tf.errors.OpError as error:  # TensorFlow's counterpart of OSError
            cure = "free some space, or choose another folder"
            raise DataError(f"{path}: cannot be written ({error_text(error)}); {cure}") from None
        files.sync(unfinished)
    return {
        "file": os.path.basename(path),
        "records": count,
        "bytes": os.path.getsize(path),
        "sha256": _sha256(path),
    }


def serialize(record: Record) -> bytes:
    """Return a Record as the bytes of a tf.train.Example."""
    digits = [int(digit) for digit in record.number]
    sides = [side for box in record.boxes for side in box]
    features = {
        "image/name": _bytes(record.name.encode("utf-8")),
        "image/encoded": _bytes(record.encoded),
        "image/height": _integers([record.height]),
        "image/width": _integers([record.width]),
        "digits": _integers(digits),
        "length": _integers([len(digits)]),
        "boxes": tf.train.Feature(float_list=tf.train.FloatList(value=sides)),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # The features are a map, whose default order would give another sha256 in each run.
    return example.SerializeToString(deterministic=True)


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


# -- reading ---------------------------------------------------------------------------------------


def serialized_records(shard: Shard) -> Iterator[bytes]:
    """Yield the records of a shard, with their checksums verified.

    Raises:
      DataError: a record is damaged or truncated, or the manifest has another number of records.
    """
    index = 0
    lengths = claimed_lengths(shard)
    try:
        found = tf.io.tf_record_iterator(os.fsencode(shard.path))
        while True:
            length = next(lengths, 0)  # of record `index`: those before it were intact
            if length > MAX_RECORD:
                reason = f"claims {length} bytes, more than the limit of {MAX_RECORD}"
                raise record_error(shard, index, reason)
            serialized = next(found, None)
            if serialized is None:
                break
            if index == shard.records:
                what = f"more than the {shard.records} records in {MANIFEST}"
                raise DataError(f"{shard.path}: {what}; delete it and {CURE}")
            yield serialized
            index += 1
    except TF_ERRORS as error:
        raise record_error(shard, index, error_text(error)) from None
    if index < shard.records:
        what = f"{index} records, but {shard.records} in {MANIFEST}"
        raise DataError(f"{shard.path}: {what}; delete it and {CURE}")


def claimed_lengths(shard: Shard) -> Iterator[int]:
    """Yield the length in bytes in the header of each record. Checksums are not verified."""
    try:
        with open(shard.path, "rb", buffering=1 << 20) as file:
            while len(head := file.read(FRAME - 4)) == FRAME - 4:
                length = int.from_bytes(head[:8], "little")
                yield length
                # TensorFlow stops here too. A sparse file would yield zeros forever.
                if not 0 < length <= MAX_RECORD:
                    break
                file.seek(length + 4, os.SEEK_CUR)  # the record and its checksum
    except OSError as error:
        raise DataError(f"{shard.path}: cannot be read ({error.strerror}); {CURE}") from None


def record_error(shard: Shard, index: int, reason: Any) -> DataError:
    """Return the error of record `index`, counted from 0, of a shard."""
    return DataError(f"{shard.path}: record {index}: {reason}; delete the shard and {CURE}")


def error_text(error: Exception) -> str:
    """Return the message of a TensorFlow error on one line, or its type."""
    message = getattr(error, "message", "") or type(error).__name__
    return " ".join(message.split())[:200]


def parse(serialized: bytes) -> Record:
    """Parse and check a tf.train.Example; return its Record. The image is not decoded.

    Raises:
      ValueError: a feature is missing or invalid, or features contradict each other.
    """
    values = _values(serialized)
    for name in _SINGLE:
        if len(values[name]) != 1:
            raise ValueError(f"{len(values[name])} values of {name}, instead of 1")
    single = {name: values[name][0] for name in _SINGLE}
    digits = values["digits"]
    sides = values["boxes"]
    if single["length"] != len(digits):
        raise ValueError(f"length {single['length']}, but {len(digits)} digits")
    for digit in digits:
        if digit not in range(10):
            raise ValueError(f"the digit {digit} is not in 0..9")
    if len(sides) not in (0, 4 * len(digits)):
        raise ValueError(f"{len(sides)} sides of boxes for {len(digits)} digits")
    if not all(map(math.isfinite, sides)):
        raise ValueError("a side of a box is not finite")
    height = single["image/height"]
    width = single["image/width"]
    if height < 1 or width < 1 or height * width > images.MAX_PIXELS:
        limit = images.MAX_PIXELS // 10**6
        raise ValueError(f"{width} x {height} pixels, but an image may have 1 to {limit} million")
    return Record(
        name=single["image/name"].decode("utf-8"),
        encoded=single["image/encoded"],
        height=height,
        width=width,
        number="".join(map(str, digits)),
        boxes=[tuple(sides[first : first + 4]) for first in range(0, len(sides), 4)],
    )


def _values(serialized):
    """Return the values of FEATURES, dict name -> sequence."""
    try:
        found = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # a DecodeError, which is not a ValueError in all versions
        raise ValueError(f"not a tf.train.Example ({error})") from None
    return {
        name: getattr(found[name], kind).value if name in found else []
        for name, kind in FEATURES.items()
    }
