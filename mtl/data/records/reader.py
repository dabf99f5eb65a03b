"""Records as training needs them: a tf.data graph that reads shards in turns, shuffles what is still encoded, decodes it, cuts the window.

The order is a pure function of (seed, epoch), so the place of a run is known from its step: what was seen is skipped before anything is
decoded. Nothing depends on the number of threads, and memory holds a bounded number of encoded pictures, however many there are.
Crops and changes come after, in batches.from_windows: they are those of all other data sets.
"""

import os
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.config import CHANNELS, WINDOW
from mtl.data import images
from mtl.data.records import format as records
from mtl.errors import DataError

BUFFER = 2048  # encoded pictures among which the next one is drawn
BUFFER_BYTES = (
    64 << 20
)  # about as much memory as they may take: fewer are held where they are large
OPEN = 8  # shards read in turns
END = 2**62  # of the epochs

PNG = b"\x89PNG\r\n\x1a\n"
FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    "digits": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    "length": tf.io.FixedLenFeature([], tf.int64),
    "boxes": tf.io.FixedLenSequenceFeature([4], tf.float32, allow_missing=True),
}

Windows = Iterator[
    tuple[np.ndarray, list[str]]
]  # (uint8 [batch, WINDOW, WINDOW, CHANNELS], batch numbers), without end


def windows(
    data_dir: str, split: str, batch_size: int, seed: int, *, workers: int = 0
) -> Callable[[int], Windows]:
    """Make the endless batches of windows of a split: each epoch visits every record once, in a new order.

    Args:
      data_dir: str, the directory that mtl convert wrote.
      split: str, one that manifest.json names.
      batch_size: int.
      seed: int.
      workers: int, threads that decode; 0 is one for each core.

    Returns:
      function first step -> iterator of (windows, numbers), which raises DataError where a record is broken, naming shard and record.

    Raises:
      DataError: the manifest or the split is missing or broken.
    """
    shards = records.find(data_dir, split)
    if any(length > records.MAX_RECORD for shard in shards for length in records.claimed(shard)):
        raise _first_broken(shards)
    threads = workers or os.cpu_count() or 1

    def start(first_step):
        with tf.Graph().as_default() as graph:
            first = first_step * batch_size
            stream = _in_order(shards, seed, first).map(
                _window, num_parallel_calls=threads, deterministic=True
            )
            stream = (
                stream.batch(batch_size, drop_remainder=True)
                .prefetch(1)
                .with_options(_options(threads))
            )
            iterator = tf.data.make_initializable_iterator(stream)
            batch = iterator.get_next()
        # A thread of its own: the training step's would be waited for, since all sessions of a process share theirs.
        session = tf.Session(
            graph=graph,
            config=tf.ConfigProto(inter_op_parallelism_threads=1, use_per_session_threads=True),
        )
        try:
            session.run(iterator.initializer)
            fetch = session.make_callable(batch)
            while True:
                pictures, numbers = fetch()
                yield pictures, [number.decode("ascii") for number in numbers]
        except records.FAILED as error:
            # Under shards read in turns, TensorFlow does not say where it was.
            raise _first_broken(shards) or DataError(
                f"{data_dir}: cannot be read ({records.reason(error)}): {records.CURE}"
            ) from None
        finally:
            session.close()

    return start


def _options(threads):
    """Return the tf.data options: an order that no thread decides, and the threads that were asked for: training needs the cores, too."""
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return options


def _in_order(shards, seed, first):
    """Return the tf.data.Dataset of serialized records from place `first` (int) of the endless stream on."""
    paths, counts = (
        tf.constant([os.fsencode(shard.path) for shard in shards]),
        tf.constant([shard.records for shard in shards], tf.int64),
    )
    total, size = sum(shard.records for shard in shards), sum(shard.bytes for shard in shards)
    buffer = max(1, min(BUFFER, total, BUFFER_BYTES * total // size))

    def shard_records(path, count):
        return tf.data.TFRecordDataset(path).apply(tf.data.experimental.assert_cardinality(count))

    def epoch(number):
        # One number a shard and one for the buffer. Stateless: TensorFlow promises the same ones in all its versions.
        draws = tf.random.stateless_uniform(
            [len(shards) + 1], [seed, number], minval=None, maxval=None, dtype=tf.int64
        )
        order = tf.argsort(draws[1:])
        files = tf.data.Dataset.from_tensor_slices(
            (tf.gather(paths, order), tf.gather(counts, order))
        )
        turns = files.interleave(shard_records, cycle_length=min(OPEN, len(shards)), block_length=1)
        return turns.shuffle(buffer, seed=draws[0], reshuffle_each_iteration=False)

    number, place = divmod(first, total)
    return tf.data.Dataset.range(number, END).flat_map(epoch).skip(place)


def _window(serialized):
    """Turn a serialized record, string [], into its window, uint8 [WINDOW, WINDOW, CHANNELS], and its number, string []."""
    found = tf.io.parse_single_example(serialized, FEATURES)
    encoded, digits, boxes = found["image/encoded"], found["digits"], found["boxes"]
    size = tf.stack([found["image/width"], found["image/height"]])
    near, far = _grown(boxes, tf.cast(size, tf.float32))
    boxed = tf.shape(boxes)[0]
    whole = [
        # Of the header, before anything is decoded: a file of a few kilobytes may claim to hold gigabytes.
        tf.reduce_all(tf.equal(_size(encoded), size)),
        tf.reduce_all(size > 0),
        tf.reduce_prod(size) <= images.MAX_PIXELS,
        tf.equal(found["length"], tf.size(digits, out_type=tf.int64)),
        tf.reduce_all((digits >= 0) & (digits < 10)),
        tf.equal(boxed * (boxed - tf.size(digits)), 0),  # a box for each digit, or none
        tf.reduce_all(near < far),  # NaN fails, too
    ]
    # The plain operation: tf.debugging's take longer than decoding does, and what exactly is wrong is found out by records.parse.
    check = tf.raw_ops.Assert(
        condition=tf.reduce_all(tf.stack(whole)), data=["its size, digits or boxes do not fit"]
    )
    with tf.control_dependencies([check]):
        picture = tf.io.decode_image(encoded, channels=CHANNELS, expand_animations=False)
    # Not crop and resize: the box has fractions of pixels, and its edge averages over pixels beyond it, as Pillow's does.
    scale = WINDOW / (far - near)
    places = {"size": [WINDOW, WINDOW], "scale": scale[::-1], "translation": (-near * scale)[::-1]}
    pixels = tf.raw_ops.ScaleAndTranslate(
        images=picture[None], **places, kernel_type="triangle", antialias=True
    )
    return tf.cast(pixels[0] + 0.5, tf.uint8), tf.strings.reduce_join(tf.strings.as_string(digits))


def _size(encoded):
    """Read width and height, int64 [2], out of the header of a PNG or JPEG file, string []; anything else is an error."""

    def png():  # big endian, after the signature and the head of the first chunk
        return tf.cast(
            tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False),
            tf.int64,
        )

    def jpeg():
        return tf.cast(tf.io.extract_jpeg_shape(encoded)[1::-1], tf.int64)

    return tf.cond(tf.equal(tf.strings.substr(encoded, 0, len(PNG)), PNG), png, jpeg)


def _grown(boxes, size):
    """Return the near and the far corner (x, y), float32 [2] each, of images.grown of boxes, float32 [n, 4], clipped to a size (x, y)."""
    near, far = tf.reduce_min(boxes[:, :2], axis=0), tf.reduce_max(boxes[:, 2:], axis=0)
    extra = (images.GROWTH - 1) / 2 * (far - near)
    boxed = tf.shape(boxes)[0] > 0
    return tf.where(boxed, tf.maximum(near - extra, 0.0), tf.zeros_like(size)), tf.where(
        boxed, tf.minimum(far + extra, size), size
    )


def _first_broken(shards):
    """Read one record after the other until one is broken; returns its DataError, or None where all are whole."""
    with tf.Graph().as_default() as graph:
        serialized = tf.placeholder(tf.string, [])
        window = _window(serialized)
    with tf.Session(graph=graph) as session:
        for shard in shards:
            try:
                for place, record in enumerate(records.serialized_records(shard)):
                    try:
                        records.window(records.parse(record))  # says what is wrong
                        session.run(window, {serialized: record})  # as training reads it
                    except records.FAILED as error:
                        return records.broken(shard, place, records.reason(error))
                    except (ValueError, DataError) as error:
                        return records.broken(shard, place, error)
            except DataError as error:
                return error
    return None
