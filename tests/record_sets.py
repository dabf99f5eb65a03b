"""Sets of records for several tests: tiny pictures, and whatever else a shard may hold."""

import io
import pathlib

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.data.records import format as records, manifest as manifests


def encode(pixels, kind="PNG", **options):
    """Return the bytes of a picture file of uint8 pixels (or of a PIL image)."""
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


def some(numbers, seed=0):
    """Return a Record for each number: noise of odd sizes, its digits side by side in boxes."""
    rng, made = np.random.default_rng(seed), []
    for i, number in enumerate(numbers):
        height, width = 9 + i % 5, 17 + i % 7
        encoded = encode(rng.integers(0, 256, (height, width, 3), np.uint8))
        boxes = [(2.0 * k - 1, 1.0, 2.0 * k + 2, 8.0 + i % 4) for k in range(len(number))]
        made.append(records.Record(f"{i + 1}.png", encoded, height, width, number, boxes))
    return made


def write(directory, **splits):
    """Write splits as lists of shards, each a list of Record or of serialized bytes, and their manifest; returns the manifest."""
    manifest = {
        "version": 1,
        "window": "boxes grown to 1.3 times",
        "seed": 0,
        "sources": {},
        "splits": {},
    }
    for split, shards in splits.items():
        described = []
        for index, shard in enumerate(shards):
            path = pathlib.Path(directory, records.shard_name(split, index, len(shards)))
            with tf.io.TFRecordWriter(str(path)) as writer:
                for record in shard:
                    writer.write(record if isinstance(record, bytes) else records.serialize(record))
            described.append(
                {
                    "file": path.name,
                    "records": len(shard),
                    "bytes": path.stat().st_size,
                    "sha256": "-",
                }
            )
        manifest["splits"][split] = {
            "records": sum(map(len, shards)),
            "skipped": {},
            "shards": described,
        }
    manifests.write_manifest(str(directory), manifest)
    return manifest
