"""Hold the index of a checkpoint against what TensorFlow's Saver writes, before TensorFlow opens it.

Its reader trusts an index whose checksums are right: of a negative or huge shape, a key that comes twice or a tensor in slices it aborts
the process or reads past its buffers (seen of 2.21). An index is a table of sorted keys (LevelDB's format) from the names of variables to
messages of tensorflow/core/protobuf/tensor_bundle.proto. What is checked here is all of that but the checksums, which TensorFlow checks.
"""

import math
import os
import struct

import tensorflow.compat.v1 as tf

MOST_INDEX, MOST_NAME, MOST_VARIABLES, MOST_AXES = (
    1 << 22,
    1 << 11,
    1 << 15,
    8,
)  # bytes, bytes, number, number: far from what a run has
FOOTER, MAGIC, TRAILER = (
    48,
    bytes.fromhex("57fb808b247547db"),
    5,
)  # bytes at the end of a table, its last ones, bytes after a block
TYPES = {
    each.as_datatype_enum: each
    for each in (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64)
}
_VARINT, _BYTES, _FIXED32 = 0, 2, 5  # how a field of a message is written


def check(path):
    """Check a checkpoint that may come from anywhere.

    Args:
      path: str, without .index.

    Returns:
      dict name of variable -> (shape, list of int, tf.DType), as the index has it.

    Raises:
      ValueError: it is not what Saver writes into one file of data; the message says why, in a few words.
      OSError: a file cannot be read.
    """
    index, data = path + ".index", data_file(path)
    _need(
        not os.path.isdir(path), "a folder has its name"
    )  # TensorFlow would look for a checkpoint in there
    for file in (index, data):
        _need(
            os.path.isfile(file), f"no file {os.path.basename(file)}"
        )  # a pipe would be waited for
    with open(index, "rb") as file:
        table = file.read(MOST_INDEX + 1)
    try:
        return _variables(table, os.path.getsize(data))
    except (IndexError, TypeError, struct.error, UnicodeDecodeError):
        raise ValueError("the index is cut short or damaged") from None


def data_file(path):
    """Return the path of the one file of data of a checkpoint (str, without .index)."""
    return path + ".data-00000-of-00001"


def _variables(table, data_size):
    _need(
        FOOTER <= len(table) <= MOST_INDEX and table.endswith(MAGIC),
        "not the index of a checkpoint, or too long a one",
    )
    at = len(table) - FOOTER
    for _ in range(3):  # offset and size of a block that is not used, offset of the block of blocks
        offset, at = _number(table, at)
    found, end, last, used = {}, 0, None, 0
    for _, handle in _pairs(table, offset, _number(table, at)[0]):
        offset, at = _number(handle, 0)
        _need(offset == end, "the index has gaps")
        size = _number(handle, at)[0]
        end += size + TRAILER
        for key, value in _pairs(table, offset, size):
            if last is None:
                header = _fields(value)
                _need(
                    key == b"" and header.get(1) == 1 and set(header) <= {1, 3},
                    "it is not in one file of little-endian numbers",
                )
            else:
                _need(
                    key > last and len(found) < MOST_VARIABLES,
                    "a name comes twice or out of order, or there are too many",
                )
                shape, dtype = found[key.decode("utf-8")] = _entry(value, data_size)
                used += math.prod(shape) * dtype.size
                _need(used <= data_size, "tensors that share their bytes")
            last = key
    return found


def _entry(value, data_size):
    """Return (shape, dtype) of a BundleEntryProto: 1 dtype, 2 shape, 4 offset, 5 size, 6 checksum; 3 and 7 are shards and slices."""
    entry = _fields(value)
    _need(
        set(entry) <= {1, 2, 4, 5, 6} and isinstance(entry.get(2), bytes),
        "a tensor in parts, or without a shape",
    )
    shape, at = [], 0
    while at < len(
        entry[2]
    ):  # a TensorShapeProto: messages of the number 2, each with the size as its number 1
        _need(entry[2][at] == 2 << 3 | _BYTES, "a shape that is not known")
        length, at = _number(entry[2], at + 1)
        size = _fields(entry[2][at : at + length])
        _need(
            at + length <= len(entry[2]) and set(size) <= {1} and len(shape) < MOST_AXES,
            "a shape that is not known",
        )
        shape, at = [*shape, size.get(1, 0)], at + length
    dtype = TYPES.get(entry.get(1))
    _need(dtype is not None, "a tensor of another type than weights have")
    # A negative size is a huge one here. Zeros must not hide one: TensorFlow multiplies the others.
    fits, bytes_of_it = math.prod(max(size, 1) for size in shape) < 1 << 48, entry.get(5, 0)
    _need(
        fits and math.prod(shape) * dtype.size == bytes_of_it,
        "a shape that does not go with its bytes",
    )
    _need(entry.get(4, 0) + bytes_of_it <= data_size, "the file of data is cut short")
    return shape, dtype


def _pairs(table, at, size):
    """Yield the (key, value) of a block, and check that where a reader may enter it (its restarts) a pair begins with a whole key."""
    _need(
        8 <= size < len(table) - at and table[at + size] == 0,
        "a block is of a wrong size, or compressed",
    )
    block = table[at : at + size]
    end = size - 4 - 4 * struct.unpack("<I", block[-4:])[0]
    _need(0 < end < size - 4, "a block is empty")
    key, at, whole = b"", 0, set()
    while at < end:
        start = at
        shared, at = _number(block, at)  # bytes of the key before that this one begins with
        added, at = _number(block, at)
        length, at = _number(block, at)
        _need(
            shared <= len(key) and shared + added <= MOST_NAME and at + added + length <= end,
            "a name or an entry is too long",
        )
        if not shared:
            whole.add(start)
        key = key[:shared] + block[at : at + added]
        at += added + length
        yield key, block[at - length : at]
    restarts = struct.unpack(f"<{(size - 4 - end) // 4}I", block[end:-4])
    _need(restarts[0] == 0 and whole.issuperset(restarts), "a block is entered within an entry")


def _fields(message):
    """Return a protocol buffer's fields, dict number -> int or bytes; ValueError where they do not come once each and in order."""
    fields, at, last = {}, 0, 0
    while at < len(message):
        tag, at = _number(message, at)
        number, kind = tag >> 3, tag & 7
        _need(
            number > last and kind in (_VARINT, _BYTES, _FIXED32),
            "a message has fields that Saver does not write",
        )
        if kind == _VARINT:
            fields[number], at = _number(message, at)
        else:
            length, at = _number(message, at) if kind == _BYTES else (4, at)
            _need(at + length <= len(message), "a message is cut short")
            fields[number], at = message[at : at + length], at + length
        last = number
    return fields


def _number(data, at):
    """Return the varint at a place, int, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("a number has over 64 bits")


def _need(true, reason):
    if not true:
        raise ValueError(reason)
