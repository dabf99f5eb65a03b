"""Write examples in memory as records: images as PNG files, and their labels."""

import io
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from mtl import inputs as inputs_lib
from mtl.data import batches, labels as labels_lib
from mtl.data.examples import Examples
from mtl.data.records import content, format as records
from mtl.data.records.manifest import MANIFEST, VERSION, write_manifest
from mtl.errors import DataError, NoExamplesError, shown
from mtl.inputs import Inputs
from mtl.runs import files
from mtl.tasks import Task


def write(
    out: str,
    load: Callable[[str], Examples],
    splits: Sequence[str],
    tasks: Sequence[Task],
    *,
    seed: int,
    shard_size: int,
    source: str,
    progress: Callable[[str, int, int], Any] = lambda what, done, total: None,
) -> dict[str, Any]:
    """Write splits as records.

    Args:
      out: the folder to write; created if missing.
      load: function split -> its Examples.
      splits: "train" first, because its labels give the scales of the tasks. An empty validation
        is skipped.
      tasks: of the labels.
      seed: of the order of the records.
      shard_size: the largest number of images in a shard.
      source: the folder of the examples, for errors.
      progress: called during the work with (what, examples done, examples in all).

    Returns:
      the manifest.

    Raises:
      DataError: `out` has records already, or the examples cannot be records.
    """
    files.check_folder(out, "--out")  # before the work
    if os.path.exists(os.path.join(out, MANIFEST)):
        raise DataError(f"{shown(out)}: has records already; choose another --out, or delete them")
    manifest = {"version": VERSION, "window": "the whole image", "seed": seed, "sources": {}}
    manifest["splits"] = {}
    first = None  # the Inputs of train
    for split in splits:
        try:
            examples = load(split)
        except NoExamplesError:
            if split != "validation":
                raise
            examples = None
        if examples is not None:
            _check(source, examples.inputs, first)
            if first is None:
                first = Inputs(examples.inputs.shape[1:], 0)
                fitted = labels_lib.fitted(source, examples.labels, tasks)
                manifest |= content.to_json(content.Content(fitted, first))
        manifest["splits"][split] = _write_split(out, split, examples, seed, shard_size, progress)
    write_manifest(out, manifest)
    return manifest


def _check(source, images, first):
    """Raise DataError if images cannot be written, or differ from those of train."""
    if images.ndim != 4:
        what = "records hold images, not features"
        raise DataError(f"{shown(source)}: {what}; train on --dataset=npz")
    if images.dtype != np.uint8:
        what = f"records hold uint8 images, not {images.dtype}"
        cure = "convert them with np.rint(255 * images).astype(np.uint8), or train on --dataset=npz"
        raise DataError(f"{shown(source)}: {what}; {cure}")
    if first is None:
        try:
            inputs_lib.check(Inputs(images.shape[1:], 0))
        except ValueError as error:
            raise DataError(f"{shown(source)}: {error}") from None
    elif images.shape[1:] != first.shape:
        what = f"a split has images of {list(images.shape[1:])}, but train of {list(first.shape)}"
        raise DataError(f"{shown(source)}: {what}; add --window to resize them")


def _write_split(out, split, examples, seed, shard_size, progress):
    """Write the shards of a split; return its entry of the manifest. examples: None if empty."""
    shards = []
    count = 0 if examples is None else len(examples.names)
    order = batches.generator(seed, batches.ORDER, 0).permutation(count)
    os.makedirs(out, exist_ok=True)
    for index, start in enumerate(range(0, count, shard_size)):
        progress(f"converting {split}", start, count)
        name = records.shard_name(split, index, -(-count // shard_size))
        made = _records(examples, order[start : start + shard_size])
        shards.append(records.write_shard(os.path.join(out, name), made))
    return {"records": count, "skipped": {}, "shards": shards}


def _records(examples, chosen):
    """Yield the Record of each chosen example."""
    numbers = examples.numbers
    for index in chosen:
        image = examples.inputs[index]
        height, width, channels = image.shape
        buffer = io.BytesIO()
        Image.fromarray(image if channels == 3 else image[:, :, 0]).save(buffer, "PNG")
        record = records.Record(examples.names[index], buffer.getvalue(), height, width)
        if len(numbers):
            yield record._replace(number=numbers[index])
        else:
            labels = {name: values[index] for name, values in examples.labels.items()}
            yield record._replace(labels=labels)
