"""manifest.json, beside the shards: the files of each split and their numbers of records."""

import functools
import json
import os
from typing import Any, NamedTuple

from mtl.data.examples import first_names
from mtl.errors import DataError, NoExamplesError
from mtl.runs import files

MANIFEST = "manifest.json"
VERSION = 1  # of the manifest and of the features of a record
FRAME = 16  # bytes that a TFRecord file adds to each record
# The largest record: a little more than the 32 MB of the largest image that convert accepts.
# TensorFlow allocates the length in the header of a record, and without enough memory it aborts.
MAX_RECORD = 33 << 20
# The largest manifest: 40,000 shards, a hundred times SVHN. Parsed, it takes up to 25 times its
# size in memory.
MAX_BYTES = 8 << 20
MAX_NAME = 255  # characters of the name of a file or a split
CURE = "repeat mtl convert"


class Shard(NamedTuple):
    """One file of records, as the manifest describes it."""

    path: str
    records: int
    bytes: int


def write_manifest(directory: str, manifest: dict[str, Any]) -> None:
    """Write manifest.json atomically, and flush it to disk.

    Args:
      manifest: "version", "splits" and any other facts about the data.

    Raises:
      OSError: it cannot be written.
    """
    with files.whole(os.path.join(directory, MANIFEST)) as unfinished:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=2)
            file.write("\n")
        files.sync(unfinished)


def find_shards(data_dir: str, split: str) -> list[Shard]:
    """List the shards of a split, in the order of the manifest. They have at least one record.

    Args:
      data_dir: the folder that mtl convert wrote.

    Raises:
      DataError: there is no such split, or the manifest is wrong; see `read_manifest`.
      NoExamplesError: the split is empty, or it is validation and missing.
    """
    splits = read_manifest(data_dir)["splits"]
    path = os.path.join(data_dir, MANIFEST)
    if split not in splits and split != "validation":
        found = first_names(list(splits))
        cure = "choose one of them, or convert it"
        raise DataError(f"{path}: no split {split!r}, found {found}; {cure}")
    if split not in splits or splits[split]["records"] == 0:
        raise NoExamplesError(f"{path}: no records in the split {split}; convert more images")
    return [
        Shard(os.path.join(data_dir, shard["file"]), shard["records"], shard["bytes"])
        for shard in splits[split]["shards"]
    ]


def read_manifest(directory: str) -> dict[str, Any]:
    """Read manifest.json, and check that the shards in the folder have the sizes it lists.

    Returns:
      dict: "splits" is a dict split -> {"records": int, "shards": list of {"file", "records",
      "bytes", "sha256"}, ...}.

    Raises:
      DataError: it is missing, damaged, of another version, or a shard is missing or of another
        size.
    """
    path = os.path.join(directory, MANIFEST)
    manifest = _parse(path)
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version != VERSION:
        found = f"version {str(version)[:20]} of the format"
        raise DataError(f"{path}: {found}, but only {VERSION} is supported; {CURE}")
    try:
        _check_manifest(manifest)
    except KeyError as error:
        raise _damaged(path, f"no {error}") from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    except (TypeError, AttributeError):  # with Python's own messages
        raise _damaged(path, "a value has another type than mtl convert writes") from None
    for split in manifest["splits"].values():
        for shard in split["shards"]:
            _check_file(os.path.join(directory, shard["file"]), shard["bytes"])
    return manifest


def _parse(path):
    """Return the JSON value in a file."""
    try:
        text = files.read_text(path, MAX_BYTES)
        return json.loads(text, object_pairs_hook=functools.partial(_object, path))
    except OSError as error:
        cure = "give the folder that mtl convert wrote as --data_dir"
        raise DataError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested too deeply
        raise DataError(f"{path}: damaged, not JSON; {CURE}") from None


def _object(path, pairs):
    """Return the dict of a JSON object; reject a repeated key, of which json would use the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _damaged(path, "an object has a key twice")
    return found


def _damaged(path, reason):
    return DataError(f"{path}: damaged ({' '.join(reason.split())[:200]}); {CURE}")


def _check_manifest(manifest):
    """Raise KeyError, TypeError, ValueError or AttributeError if a manifest is malformed."""
    _natural(manifest["version"], "version")
    listed = set()
    for name, split in manifest["splits"].items():
        if not name.isprintable() or len(name) > MAX_NAME:  # errors show it
            raise ValueError(f"the name of the split {name[:80]!r}")
        for shard in split["shards"]:
            _check_shard(shard, name, listed)
            listed.add(shard["file"])
        total = sum(shard["records"] for shard in split["shards"])
        if _natural(split["records"], f"records of {name}") != total:
            raise ValueError(f"{split['records']} records of {name}, but {total} in its shards")


def _check_shard(shard, split, listed):
    """Check the entry of one shard; listed: the files of the entries before it."""
    file = shard["file"]
    if not _is_file_name(file):
        raise ValueError(f"the shard {file!r} of {split} is not the name of a file beside it")
    if file in listed:
        raise ValueError(f"the shard {file!r} of {split} is listed twice")
    records = _natural(shard["records"], f"records of {file}")
    size = _natural(shard["bytes"], f"bytes of {file}")
    if FRAME * records > size:
        raise ValueError(f"{records} records do not fit into the {size} bytes of {file}")


def _is_file_name(name):
    """Return whether a value is a file name without a folder; shards are beside the manifest."""
    if not isinstance(name, str) or not name.isprintable() or len(name) > MAX_NAME:
        return False
    return os.path.basename(name) == name and name not in ("", ".", "..")


def _natural(value, what):
    """Return a value that is an int in 0 .. 2**63 - 1, as file sizes are; else raise ValueError."""
    if type(value) is not int or not 0 <= value < 2**63:  # not isinstance: True is an int too
        raise ValueError(f"{what}: {value!r}")
    return value


def _check_file(path, size):
    """Raise DataError if a shard is missing or not of the size in the manifest."""
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file, but {MANIFEST} lists it; {CURE}")
    found = os.path.getsize(path)
    if found != size:
        raise DataError(f"{path}: {found} bytes, but {size} in {MANIFEST}; delete it and {CURE}")
