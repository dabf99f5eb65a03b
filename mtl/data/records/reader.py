"""Read records: a split into memory, or an endless stream of training batches.

Both cut the same windows. Random crops and augmentation come later, in batches.from_windows.
"""

import functools
import io
import itertools
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import machine, tasks as tasks_lib
from mtl.config import Config
from mtl.data import adapt, augment, batches, images
from mtl.data.examples import Examples, Opened, empty_windows, of_numbers
from mtl.data.records import content, stream
from mtl.data.records.format import (
    TF_ERRORS,
    Record,
    claimed_lengths,
    error_text,
    parse,
    record_error,
    serialized_records,
)
from mtl.data.records.manifest import CURE, MANIFEST, MAX_RECORD, find_shards
from mtl.errors import DataError
from mtl.inputs import NUMBERS, Inputs
from mtl.tasks import NUMBER_TASKS, Task

DATASET = "records"
OWN_TASKS = True

# Endless, of (uint8 [batch, *inputs.shape], labels).
Windows = Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]


# -- into memory -----------------------------------------------------------------------------------


def load(
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    tasks: Sequence[Task] = NUMBER_TASKS,
    inputs: Inputs | None = None,
    window: int = 0,
    unlabelled: bool = False,
) -> Examples:
    """Read a split. The window is the box of all digits, grown and clipped to the image.

    Args: see registry.load.

    Returns:
      Examples in the order of the shards.

    Raises:
      DataError: there is no such split, or a shard or a record is broken; the message names it.
      NoExamplesError: the split is empty, or it is validation and missing.
    """
    shards = find_shards(data_dir, split)
    total = sum(shard.records for shard in shards)
    if count is not None:
        total = min(count, total)
    path = os.path.join(data_dir, MANIFEST)
    found = content.read(data_dir, tasks, window)
    if inputs is not None:
        adapt.check_rank(path, found.inputs, inputs)
        found = found._replace(inputs=inputs)
    windows = empty_windows(total, path, found.inputs)
    records = []
    every = itertools.chain.from_iterable(_examples(shard, found) for shard in shards)
    for i, (image, record) in enumerate(itertools.islice(every, count)):
        windows[i] = image
        records.append(record._replace(encoded=b""))  # the file would stay in memory
    names = [record.name for record in records]
    if found.is_numbers:
        return of_numbers(windows, [record.number for record in records], names)
    labels = {
        task.name: np.stack([record.labels[task.name] for record in records])
        for task in found.tasks
    }
    return Examples(windows, labels, names)


def _examples(shard, found):
    """Yield (window, Record) of each record of a shard; found: its Content."""
    for index, serialized in enumerate(serialized_records(shard)):
        try:
            record = parse(serialized, found.tasks)
            yield window(record, found.inputs), record
        except (ValueError, DataError) as error:
            raise record_error(shard, index, error) from None


def window(record: Record, inputs: Inputs = NUMBERS) -> np.ndarray:
    """Decode the image of a Record, and return its window: an array of `inputs`.

    Raises:
      DataError: the image is broken or too large.
      ValueError: its size is not that in the record, or the boxes are outside the image.
    """
    image = images.read(record.name, io.BytesIO(record.encoded))
    if image.size != (record.width, record.height):
        wanted = f"{record.width} x {record.height}"
        raise ValueError(f"the image is {image.width} x {image.height}, but {wanted} in the record")
    box = images.grown(record.boxes) if record.boxes else None
    return images.window(image, box, inputs)


# -- training batches ------------------------------------------------------------------------------


def opened(config: Config, part: batches.Part) -> Opened:
    """Return the training data of a run; raise ValueError if a flag does not fit the data."""
    found = content.read(config.data_dir, tasks_lib.parse(config.tasks), config.window)
    height, width = found.inputs.shape[:2]
    if config.window and (height, width) != (config.window, config.window):
        what = f"--window={config.window}, but the records have {height} x {width} pixels"
        raise ValueError(f"{what}; remove the flag, or convert again with it")
    start = windows(
        config.data_dir,
        "train",
        part.size,
        config.seed,
        workers=config.workers,
        found=found,
        part=part,
    )
    inputs = found.inputs._replace(crop=config.crop_size)
    crops = augment.crops(config.augment, inputs)
    return Opened(batches.from_windows(start, config.seed, crops, part), found.tasks, inputs)


def windows(
    data_dir: str,
    split: str,
    batch_size: int,
    seed: int,
    *,
    workers: int = 0,
    found: content.Content = content.NUMBERS,
    part: batches.Part | None = None,
) -> Callable[[int], Windows]:
    """Return a function first_step -> endless iterator of the batches of a split, see `Windows`.

    Each epoch has every record once, in a new order. The iterator raises DataError at a broken
    record; the message names the shard and the record.

    Args:
      data_dir: the folder that mtl convert wrote.
      split: one that manifest.json lists.
      batch_size: images in a batch.
      seed: decides the order.
      workers: threads that decode; 0 is one for each core.
      found: what the records contain.
      part: of the batches; the other records are not decoded. None is the whole of them.

    Raises:
      DataError: the manifest or the split is missing or broken.
    """
    shards = find_shards(data_dir, split)
    if any(length > MAX_RECORD for shard in shards for length in claimed_lengths(shard)):
        raise _first_broken(shards, found)
    threads = workers or machine.cores()
    part = part or batches.whole(batch_size)
    return functools.partial(_windows, data_dir, shards, part, seed, threads, found)


def _windows(data_dir, shards, part, seed, threads, found, first_step):
    with tf.Graph().as_default() as graph:
        iterator = stream.build(
            shards,
            first=first_step * part.size,
            part=part,
            seed=seed,
            threads=threads,
            content=found,
        )
        batch = iterator.get_next()
    # By default all sessions of a process share their threads, and this session would delay the
    # training step.
    options = tf.ConfigProto(
        inter_op_parallelism_threads=1,
        use_per_session_threads=True,
        device_count={"GPU": 0},  # decoded images are wanted in the memory of the processor
    )
    session = tf.Session(graph=graph, config=options)
    try:
        session.run(iterator.initializer)
        fetch = session.make_callable(batch)
        while True:
            images_of, labels = fetch()
            if found.is_numbers:
                labels = tasks_lib.encode_all([number.decode("ascii") for number in labels])
            else:
                tasks_lib.check_labels(labels, found.tasks, part.last - part.first)
            yield images_of, labels
    except tf.errors.ResourceExhaustedError:
        raise  # out of memory, not a fault of the data; the command reports it
    except (*TF_ERRORS, ValueError) as error:
        # TensorFlow does not say which of the interleaved shards is broken.
        unknown = DataError(f"{data_dir}: cannot be read ({error_text(error)}); {CURE}")
        raise _first_broken(shards, found) or unknown from None
    finally:
        session.close()


def _first_broken(shards, found):
    """Return the DataError of the first broken record, or None if all can be read."""
    with tf.Graph().as_default() as graph:
        serialized = tf.placeholder(tf.string, [])
        tensors = stream.window(serialized, found)
    with tf.Session(graph=graph) as session:
        for shard in shards:
            try:
                for index, record in enumerate(serialized_records(shard)):
                    try:
                        # First, because its messages are clearer.
                        window(parse(record, found.tasks), found.inputs)
                        session.run(tensors, {serialized: record})  # the same checks as training
                    except TF_ERRORS as error:
                        return record_error(shard, index, error_text(error))
                    except (ValueError, DataError) as error:
                        return record_error(shard, index, error)
            except DataError as error:
                return error
    return None
