"""Small datasets of records, and shards of any content."""

import io
import pathlib

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.data.records import format as records, manifest as manifests


def encode(pixels, kind="PNG", **options):
    """Return the bytes of an image file of uint8 pixels (or of a PIL image)."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def some(numbers, seed=0):
    """Return a Record for each number: noise of odd sizes, with the boxes of digits in a row."""
    rng, made = np.random.default_rng(seed), []
    for i, number in enumerate(numbers):
        height, width = 9 + i % 5, 17 + i % 7
        encoded = encode(rng.integers(0, 256, (height, width, 3), np.uint8))
        boxes = [(2.0 * k - 1, 1.0, 2.0 * k + 2, 8.0 + i % 4) for k in range(len(number))]
        made.append(records.Record(f"{i + 1}.png", encoded, height, width, number, boxes))
    return made


def write_frames(path, serialized):
    """Write a TFRecord file of bytes, with correct checksums."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for each in serialized:
            writer.write(each)


def shard_entry(path, count):
    """Return the manifest's entry of a shard."""
    return {"file": path.name, "records": count, "bytes": path.stat().st_size, "sha256": "-"}


def write(directory, **splits):
    """Write splits and their manifest; return the manifest.

    Args:
      splits: lists of shards, each a list of Record or of serialized bytes.
    """
    window = "boxes grown to 1.3 times"
    manifest = {"version": 1, "window": window, "seed": 0, "sources": {}, "splits": {}}
    for split, shards in splits.items():
        entries = []
        for index, shard in enumerate(shards):
            path = pathlib.Path(directory, records.shard_name(split, index, len(shards)))
            write_frames(
                path,
                [each if isinstance(each, bytes) else records.serialize(each) for each in shard],
            )
            entries.append(shard_entry(path, len(shard)))
        total = sum(map(len, shards))
        manifest["splits"][split] = {"records": total, "skipped": {}, "shards": entries}
    manifests.write_manifest(str(directory), manifest)
    return manifest
