"""Records as tf.train.Example, and the TFRecord files (shards) that contain them.

Hundreds of thousands of small files are slow to read and to copy. `mtl convert` writes shards of a
few thousand images each, and `--dataset=records` reads them. A record stores the whole image file,
and the reader cuts the window.
"""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import kinds
from mtl.data import images
from mtl.data.records.manifest import CURE, FRAME, MANIFEST, MAX_RECORD, Shard
from mtl.errors import DataError
from mtl.runs import files
from mtl.tasks import NUMBER_TASKS, Task, is_numbers

# What TensorFlow raises for a damaged shard. UnicodeDecodeError: its message quotes the damaged
# record, which Python cannot decode.
TF_ERRORS = (tf.errors.OpError, UnicodeDecodeError)

IMAGE_FEATURES = {  # name -> kind of list in a tf.train.Feature
    "image/name": "bytes_list",
    "image/encoded": "bytes_list",
    "image/height": "int64_list",
    "image/width": "int64_list",
}
FEATURES = {  # of numbers
    **IMAGE_FEATURES,
    "digits": "int64_list",
    "length": "int64_list",
    "boxes": "float_list",
}


class Record(NamedTuple):
    """One image with its number or its labels."""

    name: str  # of the image file, "17.png"
    encoded: bytes  # the unchanged PNG or JPEG file
    height: int  # pixels
    width: int
    number: str = ""  # digits; "" is an image without a number
    boxes: Sequence[images.Box] = ()  # one for each digit; they may extend beyond the image
    # Of own tasks, which have neither number nor boxes: task name -> label.
    labels: dict[str, Any] | None = None


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
    features = {
        "image/name": _bytes(record.name.encode("utf-8")),
        "image/encoded": _bytes(record.encoded),
        "image/height": _integers([record.height]),
        "image/width": _integers([record.width]),
    }
    if record.labels is None:
        digits = [int(digit) for digit in record.number]
        sides = [side for box in record.boxes for side in box]
        features["digits"] = _integers(digits)
        features["length"] = _integers([len(digits)])
        features["boxes"] = _floats(sides)
    else:
        for name, label in record.labels.items():
            values = np.ravel(label)
            kind = _integers if values.dtype.kind == "i" else _floats
            features[label_feature(name)] = kind(values.tolist())
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # The features are a map, whose default order would give another sha256 in each run.
    return example.SerializeToString(deterministic=True)


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def label_feature(task: str) -> str:
    """Return the name of the feature with the label of an own task."""
    return f"label/{task}"


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


def parse(serialized: bytes, tasks: Sequence[Task] = NUMBER_TASKS) -> Record:
    """Parse and check a tf.train.Example; return its Record. The image is not decoded.

    Raises:
      ValueError: a feature is missing or invalid, or features contradict each other.
    """
    if is_numbers(tasks):
        values = _values(serialized, FEATURES)
        record = _image(values)
        return record._replace(**_number(values))
    kinds_of = {label_feature(task.name): _list_of(task) for task in tasks}
    values = _values(serialized, {**IMAGE_FEATURES, **kinds_of})
    record = _image(values)
    labels = {task.name: _label(values[label_feature(task.name)], task) for task in tasks}
    return record._replace(labels=labels)


def _image(values):
    """Return a Record without its labels, from the values of its features."""
    for name in IMAGE_FEATURES:
        _check_single(values, name)
    height = values["image/height"][0]
    width = values["image/width"][0]
    if height < 1 or width < 1 or height * width > images.MAX_PIXELS:
        limit = images.MAX_PIXELS // 10**6
        raise ValueError(f"{width} x {height} pixels, but an image may have 1 to {limit} million")
    return Record(
        name=values["image/name"][0].decode("utf-8"),
        encoded=values["image/encoded"][0],
        height=height,
        width=width,
    )


def _check_single(values, name):
    """Raise ValueError if a feature has not exactly one value."""
    if len(values[name]) != 1:
        raise ValueError(f"{len(values[name])} values of {name}, instead of 1")


def _list_of(task):
    """Return the kind of list that has the label of a task."""
    return "float_list" if np.dtype(kinds.find(task.kind).DTYPE).kind == "f" else "int64_list"


def _label(values, task):
    """Return the label of an own task as an array of its type and shape."""
    kind = kinds.find(task.kind)
    shape = kind.label_shape(task)
    if len(values) != math.prod(shape):
        what = f"{len(values)} values of {label_feature(task.name)}"
        raise ValueError(f"{what}, instead of {math.prod(shape)}")
    label = np.array(values).reshape(1, *shape)
    try:
        kind.check_labels(label, task)
    except ValueError as error:
        raise ValueError(f"label of task {task.name} {error}") from None
    return label[0].astype(kind.DTYPE)


def _number(values):
    """Return the number and the boxes of a Record."""
    _check_single(values, "length")
    digits = values["digits"]
    sides = values["boxes"]
    if values["length"][0] != len(digits):
        raise ValueError(f"length {values['length'][0]}, but {len(digits)} digits")
    for digit in digits:
        if digit not in range(10):
            raise ValueError(f"the digit {digit} is not in 0..9")
    if len(sides) not in (0, 4 * len(digits)):
        raise ValueError(f"{len(sides)} sides of boxes for {len(digits)} digits")
    if not all(map(math.isfinite, sides)):
        raise ValueError("a side of a box is not finite")
    boxes = [tuple(sides[first : first + 4]) for first in range(0, len(sides), 4)]
    return {"number": "".join(map(str, digits)), "boxes": boxes}


def _values(serialized, features):
    """Return the values of features, dict name -> sequence; features: as FEATURES."""
    try:
        found = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # a DecodeError, which is not a ValueError in all versions
        raise ValueError(f"not a tf.train.Example ({error})") from None
    return {
        name: getattr(found[name], kind).value if name in found else []
        for name, kind in features.items()
    }
