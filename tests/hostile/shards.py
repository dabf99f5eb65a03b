"""Shards of any bytes."""

import json

from mtl.data.records import format as records
from tests import record_sets


def write(directory, content, count=2):
    """Write a shard of any bytes and its manifest; return the path of the shard."""
    path = directory / records.shard_name("train", 0, 1)
    path.write_bytes(content)
    shard = record_sets.shard_entry(path, count)
    manifest = {"version": 1, "splits": {"train": {"records": count, "shards": [shard]}}}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return path


def framed(directory, *serialized):
    """Return the bytes of a shard of serialized records, with correct checksums."""
    path = directory / "framed"
    record_sets.write_frames(path, serialized)
    return path.read_bytes()
