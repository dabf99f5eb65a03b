"""The manifest.json beside the shards of records: which files make up each split, and how much must be in them."""

import json
import os
from typing import Any

from mtl.errors import DataError
from mtl.runs import files

MANIFEST = "manifest.json"
VERSION = 1  # of the format: of the manifest and of the features of a record
FRAME = 16  # bytes that a TFRecord file spends on a record beside its own
# Bytes of a record: more than the 32 MB of a picture that convert takes. TensorFlow asks for as much memory as a record claims to be long
# before it looks for its end, and the process dies where there is none.
MAX_RECORD = 33 << 20
MAX_BYTES = (
    8 << 20
)  # of a manifest: 40,000 shards, which is a hundred times SVHN; as Python's objects it may take 25 times as much
MAX_NAME = 255  # characters of the name of a file or a split
CURE = "repeat mtl convert"


def write_manifest(directory: str, manifest: dict[str, Any]) -> None:
    """Write manifest.json, whole or not at all.

    Args:
      directory: str.
      manifest: dict of "version", "splits" and whatever else shall be known of the data.

    Raises:
      OSError: it cannot be written.
    """
    with files.whole(os.path.join(directory, MANIFEST)) as unfinished:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")
        sync(unfinished)


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

    def unique(pairs):  # json keeps the last of two values of one key
        found = dict(pairs)
        if len(found) < len(pairs):
            raise DataError(f"{path}: damaged (an object has a key twice): {CURE}")
        return found

    try:
        manifest = json.loads(files.read_text(path, MAX_BYTES), object_pairs_hook=unique)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}): --data_dir is the directory that mtl convert wrote"
        ) from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or brackets without end
        raise DataError(f"{path}: damaged, not JSON: {CURE}") from None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise DataError(
            f"{path}: version {str(version)[:20]} of the format, and {VERSION} is read: {CURE}"
        )
    try:
        _check_manifest(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found = f"no {error}" if isinstance(error, KeyError) else str(error)
        if isinstance(error, (TypeError, AttributeError)):  # their messages are Python's own
            found = "a value of another type than mtl convert writes"
        raise DataError(f"{path}: damaged ({' '.join(found.split())[:200]}): {CURE}") from None
    for split in manifest["splits"].values():
        for shard in split["shards"]:
            _check_file(os.path.join(directory, shard["file"]), shard["bytes"])
    return manifest


def _check_manifest(manifest):
    """Raise KeyError, TypeError, ValueError or AttributeError where a manifest is not laid out as it must be."""
    _natural(manifest["version"], "version")
    listed = set()
    for name, split in manifest["splits"].items():
        if not name.isprintable() or len(name) > MAX_NAME:  # errors show it
            raise ValueError(f"the name of the split {name[:80]!r}")
        for shard in split["shards"]:
            file = shard["file"]
            # By the name alone: a manifest from elsewhere must not lead out of its directory.
            good = (
                isinstance(file, str)
                and file.isprintable()
                and len(file) <= MAX_NAME
                and os.path.basename(file) == file
            )
            if not good or file in ("", ".", ".."):
                raise ValueError(
                    f"the shard {file!r} of {name} is not the name of a file beside it"
                )
            if file in listed:
                raise ValueError(f"the shard {file!r} of {name} is listed twice")
            listed.add(file)
            _natural(shard["records"], f"records of {file}")
            if FRAME * shard["records"] > _natural(shard["bytes"], f"bytes of {file}"):
                raise ValueError(
                    f"{shard['records']} records do not fit into the {shard['bytes']} bytes of {file}"
                )
        held = sum(shard["records"] for shard in split["shards"])
        if _natural(split["records"], f"records of {name}") != held:
            raise ValueError(f"{split['records']} records of {name}, and {held} in its shards")


def _natural(value, what):
    """Return an int of 0 or more, which a file could have bytes, as it is; ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 2**63:  # True is an int, too
        raise ValueError(f"{what}: {value!r}")
    return value


def _check_file(path, size):
    """Raise DataError where a shard is not there, or not of the size it was written with."""
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file, though {MANIFEST} lists it: {CURE}")
    if os.path.getsize(path) != size:
        raise DataError(
            f"{path}: {os.path.getsize(path)} bytes, and {size} by {MANIFEST}: delete it and {CURE}"
        )


def sync(path: str) -> None:
    """Bring what was written to a file to the disk; a rename can reach it before the bytes do."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
