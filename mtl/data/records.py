"""Pictures with their labels in a few large files (TFRecord shards) and a manifest.json that says what must be in them.

A data set of hundreds of thousands of small files is read slowly and moved badly. `mtl convert` writes shards of a few thousand pictures
each; `--dataset=records` reads them. The pictures are stored as they were, encoded and whole: the window is cut when they are read.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from mtl.data import images
from mtl.errors import DataError

MANIFEST = "manifest.json"
VERSION = 1  # of the format: of the features below and of the manifest
CURE = "repeat mtl convert"


class Record(NamedTuple):
    """One picture with its number."""

    name: str  # of the picture's file, "17.png"
    encoded: bytes  # the PNG or JPEG file as it is
    height: int  # pixels
    width: int
    number: str  # digits; "" is a picture without a number
    boxes: list[images.Box]  # one for each digit, as it was drawn: it may reach beyond the picture


# -- shards ------------------------------------------------------------------------------------------------------------------------


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

    def write(unfinished):
        nonlocal count
        try:
            with tf.io.TFRecordWriter(unfinished) as writer:
                for record in records:
                    writer.write(serialize(record))
                    count += 1
        except tf.errors.OpError as error:  # TensorFlow's own file system raises these where Python raises OSError
            raise DataError(f"{path}: cannot be written ({_reason(error)}): make room, or choose another directory") from None

    _appear(path, write)
    return {"file": os.path.basename(path), "records": count, "bytes": os.path.getsize(path), "sha256": _sha256(path)}


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
        "boxes": tf.train.Feature(float_list=tf.train.FloatList(value=[side for box in record.boxes for side in box])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


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


def _appear(path: str, write: Callable[[str], None]) -> None:
    """Let a file appear under its name whole or not at all: `write` it under another, bring it to the disk, rename it."""
    unfinished = f"{path}.tmp{os.getpid()}"
    try:
        write(unfinished)
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())  # a rename can reach the disk before the bytes do
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def _reason(error):
    """Return what a TensorFlow error says, on one line."""
    return " ".join((error.message or type(error).__name__).split())[:200]


# -- the manifest --------------------------------------------------------------------------------------------------------------------


def write_manifest(directory: str, manifest: dict[str, Any]) -> None:
    """Write manifest.json, whole or not at all.

    Args:
      directory: str.
      manifest: dict of "version", "splits" and whatever else shall be known of the data.

    Raises:
      OSError: it cannot be written.
    """

    def write(unfinished):
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")

    _appear(os.path.join(directory, MANIFEST), write)


def read_manifest(directory: str) -> dict[str, Any]:
    """Read manifest.json, and hold the files that it lists against the directory.

    Args:
      directory: str.

    Returns:
      dict: "splits" is a dict split -> {"records": int, "shards": list of {"file", "records", "bytes", "sha256"}, ...}.

    Raises:
      DataError: it is missing, damaged, of another version, or a shard is missing or of another size.
    """
    path = os.path.join(directory, MANIFEST)
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): --data_dir is the directory that mtl convert wrote") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or brackets without end
        raise DataError(f"{path}: damaged, not JSON: {CURE}") from None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise DataError(f"{path}: version {version} of the format, and {VERSION} is read: {CURE}")
    try:
        _check_manifest(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: damaged ({' '.join(reason.split())[:200]}): {CURE}") from None
    for split in manifest["splits"].values():
        for shard in split["shards"]:
            _check_file(os.path.join(directory, shard["file"]), shard["bytes"])
    return manifest


def _check_manifest(manifest):
    """Raise KeyError, TypeError, ValueError or AttributeError where a manifest is not laid out as it must be."""
    _natural(manifest["version"], "version")
    for name, split in manifest["splits"].items():
        for shard in split["shards"]:
            file = shard["file"]
            # By the name alone: a manifest from elsewhere must not lead out of its directory.
            if not isinstance(file, str) or not file.isprintable() or os.path.basename(file) != file or file in ("", ".", ".."):
                raise ValueError(f"the shard {file!r} of {name} is not the name of a file beside it")
            _natural(shard["records"], f"records of {file}")
            _natural(shard["bytes"], f"bytes of {file}")
        held = sum(shard["records"] for shard in split["shards"])
        if _natural(split["records"], f"records of {name}") != held:
            raise ValueError(f"{split['records']} records of {name}, and {held} in its shards")


def _natural(value, what):
    """Return an int of 0 or more as it is; ValueError for anything else."""
    if type(value) is not int or value < 0:  # True is an int, too
        raise ValueError(f"{what}: {value!r}")
    return value


def _check_file(path, size):
    """Raise DataError where a shard is not there, or not of the size it was written with."""
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file, though {MANIFEST} lists it: {CURE}")
    if os.path.getsize(path) != size:
        raise DataError(f"{path}: {os.path.getsize(path)} bytes, and {size} by {MANIFEST}: delete it and {CURE}")
