"""Check the index of a checkpoint before TensorFlow opens it.

A damaged or hostile index makes TensorFlow's reader abort the process or read past its buffers
(with 2.21: a negative or huge shape, a repeated key, a tensor in slices). Checksums do not help,
because anyone can compute them for a forged index. So this module rejects every index that
tf.train.Saver could not have written.
"""

import math
import os
import struct

import tensorflow.compat.v1 as tf

# Limits, far above those of any run.
MAX_INDEX = 1 << 22  # bytes
MAX_NAME = 1 << 11  # bytes
MAX_VARIABLES = 1 << 15
MAX_AXES = 8
MAX_ELEMENTS = 1 << 48  # of one tensor

DTYPES = {
    dtype.as_datatype_enum: dtype
    for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64)
}

# An index is a table in LevelDB's format: blocks of sorted (key, value) pairs, then a footer.
_FOOTER = 48  # bytes
_MAGIC = bytes.fromhex("57fb808b247547db")  # the end of the footer
_TRAILER = 5  # bytes after a block: its compression and its checksum
# The first key is empty; its value is a BundleHeaderProto. Each other key is the name of a variable
# and its value is a BundleEntryProto, see tensorflow/core/protobuf/tensor_bundle.proto.
_NUM_SHARDS, _VERSION = 1, 3  # fields of BundleHeaderProto; field 2 is the byte order
_DTYPE, _SHAPE, _OFFSET, _SIZE, _CRC32C = 1, 2, 4, 5, 6  # of BundleEntryProto
_DIM, _DIM_SIZE = 2, 1  # of TensorShapeProto, and of each of its dimensions
_VARINT, _BYTES, _FIXED32 = 0, 2, 5  # how a field of a protocol buffer is encoded


def check(path):
    """Check the index of a checkpoint from an untrusted source.

    Args:
      path: str, without .index.

    Returns:
      dict variable name -> (shape as a list of int, tf.DType), in the order of the index.

    Raises:
      ValueError: Saver cannot have written the checkpoint. The message is a short reason.
      OSError: a file cannot be read.
    """
    # TensorFlow would look for a checkpoint inside a folder of this name.
    _require(not os.path.isdir(path), "a folder has its name")
    index, data = path + ".index", data_file(path)
    for file in (index, data):
        # Opening a pipe would block.
        _require(os.path.isfile(file), f"no file {os.path.basename(file)}")
    with open(index, "rb") as file:
        table = file.read(MAX_INDEX + 1)
    try:
        return _variables(table, os.path.getsize(data))
    except (IndexError, TypeError, struct.error, UnicodeDecodeError):
        raise ValueError("the index is truncated or damaged") from None


def data_file(path):
    """Return the path of the data file of a checkpoint; path: str, without .index."""
    return path + ".data-00000-of-00001"


def _variables(table, data_size):
    """Return the variables of an index as `check` does; data_size: int, bytes of the data file."""
    entries = _entries(table)
    last, header = next(entries)
    _check_header(last, _fields(header))
    variables, used = {}, 0
    for key, value in entries:
        _require(key > last, "a name is repeated or out of order")
        _require(len(variables) < MAX_VARIABLES, "too many variables")
        shape, dtype = _variable(_fields(value), data_size)
        used += math.prod(shape) * dtype.size
        _require(used <= data_size, "tensors share bytes")
        variables[key.decode("utf-8")] = shape, dtype
        last = key
    return variables


def _check_header(key, header):
    single = header.get(_NUM_SHARDS) == 1
    little_endian = set(header) <= {_NUM_SHARDS, _VERSION}
    _require(key == b"" and single and little_endian, "not one data file of little-endian numbers")


def _variable(entry, data_size):
    """Return (shape, dtype) of a BundleEntryProto."""
    known = {_DTYPE, _SHAPE, _OFFSET, _SIZE, _CRC32C}
    _require(set(entry) <= known, "a tensor in slices or in another file")
    _require(isinstance(entry.get(_SHAPE), bytes), "a tensor without a shape")
    dtype = DTYPES.get(entry.get(_DTYPE))
    _require(dtype is not None, "a tensor of a type that weights do not have")
    shape, size = _shape(entry[_SHAPE]), entry.get(_SIZE, 0)
    # A negative size is decoded as a huge number. max(axis, 1), because a zero would hide it:
    # TensorFlow also multiplies the other sizes.
    elements = math.prod(max(axis, 1) for axis in shape)
    matches = elements < MAX_ELEMENTS and math.prod(shape) * dtype.size == size
    _require(matches, "a shape that does not match the size of the tensor")
    _require(entry.get(_OFFSET, 0) + size <= data_size, "the data file is truncated")
    return shape, dtype


def _shape(message):
    """Return the sizes in a TensorShapeProto, list of int."""
    reader, shape = _Reader(message), []
    while reader.has_more():
        known = reader.varint() == _DIM << 3 | _BYTES and len(shape) < MAX_AXES
        _require(known, "a shape of an unknown kind")
        axis = _fields(reader.take(reader.varint()))
        _require(set(axis) <= {_DIM_SIZE}, "a shape of an unknown kind")
        shape.append(axis.get(_DIM_SIZE, 0))
    return shape


def _entries(table):
    """Yield the (key, value) pairs of a table, at least one."""
    is_table = _FOOTER <= len(table) <= MAX_INDEX and table.endswith(_MAGIC)
    _require(is_table, "not the index of a checkpoint, or too large")
    footer = _Reader(table[-_FOOTER:])
    for _ in range(2):
        footer.varint()  # offset and size of the metaindex, which TensorFlow does not use
    index_offset, index_size = footer.varint(), footer.varint()
    end = 0
    for _, handle in _block(table, index_offset, index_size):
        reader = _Reader(handle)
        offset, size = reader.varint(), reader.varint()
        _require(offset == end, "the index has gaps")
        end += size + _TRAILER
        yield from _block(table, offset, size)


def _block(table, offset, size):
    """Yield the (key, value) pairs of one block, at least one.

    A key is stored as the number of bytes it shares with the previous key, followed by the rest. A
    block ends with its restarts, the offsets at which a reader may start. The key at a restart must
    be stored in full.
    """
    fits = 8 <= size < len(table) - offset and table[offset + size] == 0
    _require(fits, "a block has a wrong size or is compressed")
    block = table[offset : offset + size]
    (count,) = struct.unpack("<I", block[-4:])
    end = size - 4 - 4 * count
    _require(0 < end < size - 4, "a block is empty")
    reader, key, whole = _Reader(block[:end]), b"", set()
    while reader.has_more():
        start = reader.at
        shared, rest, length = reader.varint(), reader.varint(), reader.varint()
        _require(shared <= len(key) and shared + rest <= MAX_NAME, "a name is too long")
        if shared == 0:
            whole.add(start)
        key = key[:shared] + reader.take(rest)
        yield key, reader.take(length)
    restarts = struct.unpack(f"<{count}I", block[end:-4])
    _require(restarts[0] == 0 and whole.issuperset(restarts), "a block restarts within an entry")


def _fields(message):
    """Return the fields of a protocol buffer, dict number -> int or bytes.

    Raises:
      ValueError: a field is repeated, out of order, or of a kind that Saver does not write.
    """
    reader, fields, last = _Reader(message), {}, 0
    while reader.has_more():
        tag = reader.varint()
        number, kind = tag >> 3, tag & 7
        known = number > last and kind in (_VARINT, _BYTES, _FIXED32)
        _require(known, "a message has fields that Saver does not write")
        if kind == _VARINT:
            fields[number] = reader.varint()
        elif kind == _BYTES:
            fields[number] = reader.take(reader.varint())
        else:
            fields[number] = reader.take(4)
        last = number
    return fields


class _Reader:
    """Reads bytes from front to back."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def has_more(self):
        return self.at < len(self.data)

    def take(self, size):
        """Return the next `size` bytes."""
        _require(self.at + size <= len(self.data), "a message is truncated")
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self):
        """Return the next integer: 7 bits a byte, lowest first; IndexError at the end."""
        value = 0
        for shift in range(0, 64, 7):
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number has more than 64 bits")


def _require(condition, reason):
    if not condition:
        raise ValueError(reason)
