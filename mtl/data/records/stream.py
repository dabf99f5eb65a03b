"""The tf.data graph of the training batches: interleave shards, shuffle, decode, cut the window.

The order is a pure function of (seed, epoch), so the position of a run follows from its step. On
resume, the records of the epoch up to that step are skipped without decoding. The number of threads
does not affect the order. Only a bounded number of encoded images is in memory.
"""

import functools
import os

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import kinds
from mtl.data import images
from mtl.data.records.content import NUMBERS
from mtl.data.records.format import label_feature

BUFFER = 2048  # encoded images in the shuffle buffer
BUFFER_BYTES = 64 << 20  # approximate limit of its memory; with large images it has fewer of them
OPEN = 8  # shards read in turns
END = 2**62  # epochs, practically endless

PNG = b"\x89PNG\r\n\x1a\n"
_IMAGE = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
}
_NUMBER = {
    **_IMAGE,
    "digits": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    "length": tf.io.FixedLenFeature([], tf.int64),
    "boxes": tf.io.FixedLenSequenceFeature([4], tf.float32, allow_missing=True),
}


# -- order -----------------------------------------------------------------------------------------


def build(shards, *, first, part, seed, threads, content=NUMBERS):
    """Build the endless stream of batches.

    Args:
      shards: list of manifest.Shard.
      first: int, the position of the first record in the stream, counted over all epochs.
      part: batches.Part; the other records of a batch are not decoded.
      seed: int.
      threads: int, threads that decode.
      content: content.Content of the shards.

    Returns:
      an initializable tf.data iterator of (uint8 [batch, *inputs.shape], labels); see `window`.
    """
    serialized = _in_order(shards, seed, first)
    batch_size = part.last - part.first
    if batch_size < part.size:
        serialized = _only(serialized, part)
    one = functools.partial(window, content=content)
    windows = serialized.map(one, num_parallel_calls=threads, deterministic=True)
    batches = windows.batch(batch_size, drop_remainder=True).prefetch(1)
    return tf.data.make_initializable_iterator(batches.with_options(_options(threads)))


def _options(threads):
    """Return options for a deterministic order and a limited number of threads."""
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return options


def _in_order(shards, seed, first):
    """Return the tf.data.Dataset of serialized records from position `first` of the stream."""
    paths = tf.constant([os.fsencode(shard.path) for shard in shards])
    counts = tf.constant([shard.records for shard in shards], tf.int64)
    total = sum(shard.records for shard in shards)
    size = sum(shard.bytes for shard in shards)
    buffer = max(1, min(BUFFER, total, BUFFER_BYTES * total // size))

    def epoch(number):
        # One random number for each shard and one for the buffer. The stateless ones are the same
        # in all versions of TensorFlow.
        draws = tf.random.stateless_uniform(
            [len(shards) + 1], [seed, number], minval=None, maxval=None, dtype=tf.int64
        )
        order = tf.argsort(draws[1:])
        pairs = (tf.gather(paths, order), tf.gather(counts, order))
        files = tf.data.Dataset.from_tensor_slices(pairs)
        cycle = min(OPEN, len(shards))
        turns = files.interleave(_shard_records, cycle_length=cycle, block_length=1)
        return turns.shuffle(buffer, seed=draws[0], reshuffle_each_iteration=False)

    first_epoch, position = divmod(first, total)
    return tf.data.Dataset.range(first_epoch, END).flat_map(epoch).skip(position)


def _shard_records(path, count):
    """Return the dataset of a shard, which fails unless it has `count` records."""
    records = tf.data.TFRecordDataset(path)
    return records.apply(tf.data.experimental.assert_cardinality(count))


def _only(serialized, part):
    """Return the dataset of the records of a part; the first record begins a batch."""

    def is_kept(position, record):
        index = position % part.size
        return (index >= part.first) & (index < part.last)

    return serialized.enumerate().filter(is_kept).map(lambda position, record: record)


# -- windows ---------------------------------------------------------------------------------------


def window(serialized, content=NUMBERS):
    """Decode a serialized record and cut its window.

    Args:
      serialized: string [].
      content: content.Content of the record.

    Returns:
      the window, uint8 [*inputs.shape], and its labels: of numbers the number, string []; of own
      tasks dict task name -> tensor of the shape of a label.
    """
    if content.is_numbers:
        return _number_window(serialized, content.inputs.shape)
    dtypes = {task.name: np.dtype(kinds.find(task.kind).DTYPE) for task in content.tasks}
    features = dict(_IMAGE)
    for task in content.tasks:
        dtype = tf.int64 if dtypes[task.name].kind == "i" else tf.float32
        shape = kinds.find(task.kind).label_shape(task)
        features[label_feature(task.name)] = tf.io.FixedLenFeature(shape, dtype)
    found = tf.io.parse_single_example(serialized, features)
    height, width, channels = content.inputs.shape
    size = tf.constant([width, height], tf.int64)  # convert resized the images
    with tf.control_dependencies([_check([_has_size(found, size)])]):
        image = tf.io.decode_png(found["image/encoded"], channels)
    image = tf.ensure_shape(image, content.inputs.shape)
    labels = {name: found[label_feature(name)] for name in dtypes}
    return image, {name: tf.cast(labels[name], dtype) for name, dtype in dtypes.items()}


def _number_window(serialized, shape):
    """Return the window of a record with a number, and the number; see `window`.

    Args:
      serialized: string [].
      shape: (height, width, channels) of the window.
    """
    found = tf.io.parse_single_example(serialized, _NUMBER)
    encoded = found["image/encoded"]
    size = tf.stack([found["image/width"], found["image/height"]])
    near, far = _grown(found["boxes"], tf.cast(size, tf.float32))
    with tf.control_dependencies([_check(_number_conditions(found, size, near, far))]):
        image = tf.io.decode_image(encoded, channels=shape[2], expand_animations=False)
    # Not crop and resize: the box has fractions of pixels, and pixels outside it contribute to its
    # edge, as in Pillow.
    scale = [shape[1], shape[0]] / (far - near)
    pixels = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=shape[:2],
        scale=scale[::-1],
        translation=(-near * scale)[::-1],
        kernel_type="triangle",
        antialias=True,
    )
    number = tf.strings.reduce_join(tf.strings.as_string(found["digits"]))
    return tf.cast(pixels[0] + 0.5, tf.uint8), number


def _number_conditions(found, size, near, far):
    """List the conditions on the features of a record with a number, each bool []."""
    digits = found["digits"]
    boxed = tf.shape(found["boxes"])[0]
    return [
        _has_size(found, size),
        tf.equal(found["length"], tf.size(digits, out_type=tf.int64)),
        tf.reduce_all((digits >= 0) & (digits < 10)),
        tf.equal(boxed * (boxed - tf.size(digits)), 0),  # a box for each digit, or none
        tf.reduce_all(near < far),  # false for NaN
    ]


def _has_size(found, size):
    """Return whether an image has a possible size (width, height), bool [].

    The size is in the header of the file: a file of a few kilobytes may claim gigabytes.
    """
    conditions = [
        tf.reduce_all(tf.equal(_size(found["image/encoded"]), size)),
        tf.reduce_all(size > 0),
        tf.reduce_prod(size) <= images.MAX_PIXELS,
    ]
    return tf.reduce_all(tf.stack(conditions))


def _check(conditions):
    """Build the operation that fails if a condition on the features of a record is false."""
    # Not tf.debugging, which takes longer than the decoding. The reader finds the exact fault.
    return tf.raw_ops.Assert(
        condition=tf.reduce_all(tf.stack(conditions)),
        data=["its size, digits or boxes do not fit"],
    )


def _size(encoded):
    """Return width and height, int64 [2], from the header of a PNG or JPEG file, string []."""

    def png():
        # Big endian, after the signature and the start of the first chunk.
        header = tf.strings.substr(encoded, 16, 8)
        return tf.cast(tf.io.decode_raw(header, tf.int32, little_endian=False), tf.int64)

    def jpeg():
        return tf.cast(tf.io.extract_jpeg_shape(encoded)[1::-1], tf.int64)

    return tf.cond(tf.equal(tf.strings.substr(encoded, 0, len(PNG)), PNG), png, jpeg)


def _grown(boxes, size):
    """Return images.grown of boxes, clipped to the image; the whole image if there are none.

    Args:
      boxes: float32 [n, 4].
      size: float32 [2], width and height of the image.

    Returns:
      the corners (left, top) and (right, bottom), float32 [2] each.
    """
    near = tf.reduce_min(boxes[:, :2], axis=0)
    far = tf.reduce_max(boxes[:, 2:], axis=0)
    extra = (images.GROWTH - 1) / 2 * (far - near)
    boxed = tf.shape(boxes)[0] > 0
    first = tf.where(boxed, tf.maximum(near - extra, 0.0), tf.zeros_like(size))
    last = tf.where(boxed, tf.minimum(far + extra, size), size)
    return first, last
