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

from mtl import tasks as tasks_lib
from mtl.config import Config
from mtl.data import augment, batches, images
from mtl.data.examples import Examples, Opened, empty_windows, numbers_inputs, of_numbers
from mtl.data.records import stream
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
    inputs = inputs or numbers_inputs(window)
    windows = empty_windows(total, os.path.join(data_dir, MANIFEST), inputs)
    numbers = []
    names = []
    found = itertools.chain.from_iterable(_examples(shard, inputs) for shard in shards)
    for i, (image, number, name) in enumerate(itertools.islice(found, count)):
        windows[i] = image
        numbers.append(number)
        names.append(name)
    return of_numbers(windows, numbers, names)


def _examples(shard, inputs):
    """Yield (window, number, name) of each record of a shard."""
    for index, serialized in enumerate(serialized_records(shard)):
        try:
            record = parse(serialized)
            yield window(record, inputs), record.number, record.name
        except (ValueError, DataError) as error:
            raise record_error(shard, index, error) from None


def window(record: Record, inputs: Inputs = NUMBERS) -> np.ndarray:
    """Decode the image of a Record and cut its window.

    Returns:
      array of the shape and type of `inputs`.

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


def opened(config: Config) -> Opened:
    """Return the training data of a run; raise ValueError if a flag does not fit the data."""
    inputs = numbers_inputs(config.window, config.crop_size)
    start = windows(
        config.data_dir, "train", config.batch_size, config.seed, workers=config.workers
    )
    crops = augment.crops(config.augment, inputs)
    return Opened(batches.from_windows(start, config.seed, crops), NUMBER_TASKS, inputs)


def windows(
    data_dir: str, split: str, batch_size: int, seed: int, *, workers: int = 0
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

    Raises:
      DataError: the manifest or the split is missing or broken.
    """
    shards = find_shards(data_dir, split)
    if any(length > MAX_RECORD for shard in shards for length in claimed_lengths(shard)):
        raise _first_broken(shards)
    threads = workers or os.cpu_count() or 1
    return functools.partial(_windows, data_dir, shards, batch_size, seed, threads)


def _windows(data_dir, shards, batch_size, seed, threads, first_step):
    with tf.Graph().as_default() as graph:
        iterator = stream.build(
            shards, first=first_step * batch_size, batch_size=batch_size, seed=seed, threads=threads
        )
        batch = iterator.get_next()
    # By default all sessions of a process share their threads, and this session would delay the
    # training step.
    options = tf.ConfigProto(inter_op_parallelism_threads=1, use_per_session_threads=True)
    session = tf.Session(graph=graph, config=options)
    try:
        session.run(iterator.initializer)
        fetch = session.make_callable(batch)
        while True:
            found, numbers = fetch()
            yield found, tasks_lib.encode_all([number.decode("ascii") for number in numbers])
    except tf.errors.ResourceExhaustedError:
        raise  # out of memory, not a fault of the data; the command reports it
    except TF_ERRORS as error:
        # TensorFlow does not say which of the interleaved shards is broken.
        unknown = DataError(f"{data_dir}: cannot be read ({error_text(error)}); {CURE}")
        raise _first_broken(shards) or unknown from None
    finally:
        session.close()


def _first_broken(shards):
    """Return the DataError of the first broken record, or None if all can be read."""
    with tf.Graph().as_default() as graph:
        serialized = tf.placeholder(tf.string, [])
        tensor = stream.window(serialized)
    with tf.Session(graph=graph) as session:
        for shard in shards:
            try:
                for index, record in enumerate(serialized_records(shard)):
                    try:
                        window(parse(record))  # first, because its messages are clearer
                        session.run(tensor, {serialized: record})  # the same checks as training
                    except TF_ERRORS as error:
                        return record_error(shard, index, error_text(error))
                    except (ValueError, DataError) as error:
                        return record_error(shard, index, error)
            except DataError as error:
                return error
    return None
