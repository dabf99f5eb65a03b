"""Records that contradict themselves, and damage to shards, each with the error it must cause."""

import struct

import numpy as np
import tensorflow.compat.v1 as tf

from mtl.data.records import format as records
from tests import record_sets
from tests.image_files import PNG_SIGNATURE, png_chunk


def frames(path):
    """Return the records of a TFRecord file, without TensorFlow."""
    data, found = path.read_bytes(), []
    while data:  # a length, its checksum, the record, its checksum
        (length,) = struct.unpack("<Q", data[:8])
        found.append(data[12 : 12 + length])
        data = data[16 + length :]
    return found


def example(**changes):
    """Serialize a good record with some features changed.

    Args:
      changes: a tf.train.Feature, or None to remove the feature. _ stands for / in names.
    """
    made = tf.train.Example.FromString(records.serialize(record_sets.some(["210"])[0]))
    for name, feature in changes.items():
        del made.features.feature[name.replace("_", "/")]
        if feature is not None:
            made.features.feature[name.replace("_", "/")].CopyFrom(feature)
    return made.SerializeToString()


def integers(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def floats(*values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def file(data):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))


def three_boxes(*sides):
    return example(boxes=floats(*sides * 3))


WHOLE = record_sets.some(["210"])[0].encoded
# A PNG of a few bytes that claims to be 9,000 by 9,000 pixels.
BOMB = PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">2I5B", 9_000, 9_000, 8, 2, 0, 0, 0))
BOMB += WHOLE[WHOLE.index(b"IDAT") - 4 :]
HUGE = integers(2**40)
HALF = WHOLE[: len(WHOLE) // 2]

BROKEN = {  # what is wrong: (serialized record, a part of the error)
    "no example": (b"\xff\xff no example", "not a tf.train.Example"),
    "nothing": (b"", "0 values of image/name"),
    "two lengths": (example(length=integers(3, 3)), "2 values of length"),
    "no height": (example(image_height=None), "0 values of image/height"),
    "digit 11": (example(digits=integers(2, 11, 0)), "the digit 11 is not in 0..9"),
    "digit -1": (example(digits=integers(2, -1, 0)), "the digit -1 is not in 0..9"),
    "length": (example(length=integers(2)), "length 2, but 3 digits"),
    "boxes": (example(boxes=floats(*range(8))), "8 sides of boxes for 3 digits"),
    "part of a box": (example(boxes=floats(*range(11))), "11 sides of boxes for 3 digits"),
    "box of NaN": (three_boxes(1.0, 1.0, 5.0, np.nan), "a side of a box is not finite"),
    "box outside": (three_boxes(90.0, 1.0, 95.0, 8.0), "lies outside the image of 17 x 9"),
    "box turned over": (three_boxes(9.0, 1.0, 5.0, 8.0), "has a negative width"),
    "other size": (
        example(image_width=integers(16)),
        "the image is 17 x 9, but 16 x 9 in the record",
    ),
    "no size": (example(image_width=integers(0)), "0 x 9 pixels"),
    "bomb by the record": (
        example(image_height=HUGE, image_width=HUGE),
        "pixels, but an image may have 1 to 64 million",
    ),
    "bomb by the header": (example(image_encoded=file(BOMB)), "1.png: 9000 x 9000 pixels"),
    "no image": (
        example(image_encoded=file(b"")),
        "1.png: not an image of a known format, or truncated",
    ),
    "truncated": (example(image_encoded=file(HALF)), "1.png: the image cannot be decoded"),
}


def flip(path, at):
    """Invert one byte; `at` counts from the start of the second record."""
    data = bytearray(path.read_bytes())
    data[16 + len(frames(path)[0]) + at] ^= 0xFF
    path.write_bytes(data)


def flip_image(path):
    flip(path, 100)


def flip_length(path):
    flip(path, 2)


def flip_checksum_of_length(path):
    flip(path, 9)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


DAMAGE = {  # a damage to a shard of three records: a part of the error
    flip_image: "record 1: corrupted record",
    flip_length: "record 1: corrupted record",
    flip_checksum_of_length: "record 1: corrupted record",
    truncate: "record 2: truncated record",
}
