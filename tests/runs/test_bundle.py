"""mtl.runs.bundle: what Saver writes passes and is told as TensorFlow tells it; what its reader would die of is refused before it is opened."""

import contextlib
import math
import os
import struct
from collections import Counter

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, strategies as st

from mtl import checkpoint
from mtl.runs import bundle, directories
from tests import lives
from tests.mutations import damaged, quick

FLOAT, INT64, STRING = 1, 9, 7  # of tensorflow/core/framework/types.proto
LARGEST = 2**63 - 1


def crc32c(data):
    """Compute the checksum of TensorFlow's files, masked as it is stored there (polynomial of RFC 3720, mask of LevelDB)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    value, out = value % 2**64, b""
    while value > 127:
        value, out = value >> 7, out + bytes([value & 127 | 128])
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer: an int as a varint, bytes with their length; None is left out."""
    if value is None:
        return b""
    return (
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
    )


def entry(shape, dtype=FLOAT, offset=0, size=0, more=b""):
    dims = b"".join(field(2, field(1, each)) for each in shape)
    return (
        field(1, dtype)
        + field(2, dims)
        + field(4, offset)
        + field(5, size)
        + varint(6 << 3 | 5)
        + bytes(4)
        + more
    )


HEADER = field(1, 1) + field(3, field(1, 1))


def block(pairs, restarts=(0,), kind=0):
    """A block of (shared bytes, rest of the key, value), with its checksum."""
    body = b"".join(
        varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        for shared, rest, value in pairs
    )
    body += b"".join(struct.pack("<I", place) for place in restarts) + struct.pack(
        "<I", len(restarts)
    )
    return body, body + bytes([kind]) + struct.pack("<I", crc32c(body + bytes([kind])))


def table(pairs, **options):
    """A table of one block."""
    body, written = block([(0, b"", HEADER), *pairs], **options)
    index, written_index = block([(0, b"z", varint(0) + varint(len(body)))])
    footer = varint(0) + varint(0) + varint(len(written)) + varint(len(index))
    return written + written_index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


@pytest.fixture
def forge(tmp_path):
    """Return a function table -> path of a checkpoint with this index and 64 bytes of data."""

    def make(index):
        (tmp_path / "model.ckpt-7.index").write_bytes(index)
        (tmp_path / "model.ckpt-7.data-00000-of-00001").write_bytes(bytes(64))
        return str(tmp_path / "model.ckpt-7")

    return make


def told_by_tensorflow(path):
    reader = tf.train.load_checkpoint(path)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return {name: (shapes[name], dtypes[name]) for name in shapes}


def test_what_saver_writes_is_told_as_tensorflow_tells_it(tmp_path):
    # A block is 256 kB long: these names fill two.
    values = {
        f"{'long/' * 50}{i:03d}{'/and/longer' * 100}": np.full((i % 3, 2), i, np.float32)
        for i in range(300)
    }
    values |= {
        "step": np.int64(7),
        "half": np.ones(3, np.float16),
        "n": np.zeros([2, 1, 3], np.int32),
        "d": np.float64(1),
    }
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(name, initializer=tf.constant(value), use_resource=True)
            for name, value in values.items()
        }
        session.run(tf.global_variables_initializer())
        checkpoint.save(tf.train.Saver(variables), session, str(tmp_path), 7)
    path = str(tmp_path / "model.ckpt-7")
    assert bundle.check(path) == told_by_tensorflow(path) and len(bundle.check(path)) == len(values)


def test_the_packaged_one_passes():
    path = directories.find("pretrained")
    assert bundle.check(path) == told_by_tensorflow(path)


def test_what_is_forged_as_saver_would_passes_and_tensorflow_opens_it(forge):
    path = forge(table([(0, b"ab", entry([3, 4], size=48)), (1, b"c", entry([], INT64, 48, 8))]))
    assert (
        bundle.check(path)
        == told_by_tensorflow(path)
        == {"ab": ([3, 4], tf.float32), "ac": ([], tf.int64)}
    )


HOSTILE = {
    "negative": [(0, b"w", entry([-1]))],
    "two negatives": [(0, b"w", entry([-3, -4], size=48))],
    "huge": [(0, b"w", entry([LARGEST, LARGEST]))],
    "a product of 2^64": [(0, b"w", entry([2**32, 2**32]))],
    "huge behind a zero": [(0, b"w", entry([LARGEST, LARGEST, 0]))],
    "254 axes": [(0, b"w", entry([2**60] * 254))],
    "a million axes": [(0, b"w", entry([1] * 10**6, size=4))],
    "no rank": [(0, b"w", field(1, FLOAT) + field(2, field(3, 1)) + field(5, 0))],
    "no shape": [(0, b"w", field(1, FLOAT) + field(5, 4))],
    "a shape that is a number": [(0, b"w", field(1, FLOAT) + field(2, 3) + field(5, 4))],
    "a size that is a text": [
        (0, b"w", field(1, FLOAT) + field(2, field(2, field(1, b"3"))) + field(5, 12))
    ],
    "two shapes": [
        (0, b"w", field(1, FLOAT) + field(2, b"") + field(2, field(2, field(1, -1))) + field(5, 4))
    ],
    "more than there is": [(0, b"w", entry([17], size=68))],
    "beyond the end": [(0, b"w", entry([3], offset=60, size=12))],
    "a size of another shape": [(0, b"w", entry([3], size=16))],
    "a negative size": [(0, b"w", entry([3], size=-12))],
    "slices": [(0, b"w", entry([4], size=16, more=field(7, field(1, field(1, 0)))))],
    "in another file": [
        (0, b"w", field(1, FLOAT) + field(2, field(2, field(1, 3))) + field(3, 99) + field(5, 12))
    ],
    "text": [(0, b"w", entry([1], STRING, size=8))],
    "no type": [(0, b"w", entry([1], None, size=4))],
    "an unknown type": [(0, b"w", entry([1], 999, size=4))],
    "a reference": [(0, b"w", entry([1], 101, size=4))],
    "twice": [(0, b"w", entry([1], size=4)), (0, b"w", entry([2], size=8))],
    "out of order": [(0, b"w", entry([1], size=4)), (0, b"a", entry([1], offset=4, size=4))],
    "shared bytes": [(0, b"v", entry([16], size=64)), (0, b"w", entry([16], size=64))],
    "a key that begins before its block": [(5, b"w", entry([1], size=4))],
    "a key of 100 kB": [(0, b"w" * 100_000, entry([1], size=4))],
    "a name that is no text": [(0, b"\xff\xfe", entry([1], size=4))],
    "nonsense": [(0, b"w", b"\x0b" * 9)],
    "cut short": [(0, b"w", entry([1], size=4)[:-3])],
}


@pytest.mark.parametrize("pairs", HOSTILE.values(), ids=HOSTILE)
def test_what_tensorflow_may_die_of_is_refused_in_a_few_words(forge, pairs):
    with pytest.raises(ValueError) as error:
        bundle.check(forge(table(pairs)))
    assert 3 < len(str(error.value)) < 80 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"restarts": [0, 3]},
        {"restarts": [7]},
        {"restarts": [0, 2**31]},
        {"kind": 1},
        {"restarts": []},
    ],
)
def test_a_block_that_is_no_block_is_refused(forge, options):
    with pytest.raises(ValueError):
        bundle.check(forge(table([(0, b"w", entry([1], size=4))], **options)))


def test_big_endian_parts_and_no_header_are_refused(forge):
    whole = table([(0, b"w", entry([1], size=4))])
    for header in (
        field(1, 2) + field(3, field(1, 1)),
        field(1, 1) + field(2, 1),
        b"",
        b"\xff" * 6,
    ):
        with pytest.raises(ValueError):
            bundle.check(
                forge(whole.replace(HEADER, header.ljust(len(HEADER), b"\0")[: len(HEADER)]))
            )


def test_any_damage_is_refused_in_a_few_words_or_changes_nothing_that_could_kill(forge):
    path, seen = forge(b""), Counter()

    @quick(1000)
    @given(damaged(table([(0, b"ab", entry([3, 4], size=48)), (1, b"c", entry([], INT64, 48, 8))])))
    def property(index):
        with open(path + ".index", "wb") as file:
            file.write(index)
        seen[told_or_refused(path) is not None] += 1

    property()
    assert min(seen.values()) > 20


NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 4, 8, 16, 64, 2**31, 2**32, 2**62, LARGEST, -LARGEST])
MORE = st.sampled_from(
    [
        b"",
        b"",
        b"",
        field(3, 0),
        field(3, 1),
        field(7, b""),
        field(7, field(1, field(1, 0))),
        field(4, 8),
        b"\x0b",
    ]
)
ENTRIES = st.one_of(
    st.builds(
        entry,
        st.lists(NUMBERS, max_size=4),
        st.sampled_from([0, 1, 1, 1, 3, 7, 9, 20, 21, 101, 999]),
        NUMBERS,
        NUMBERS,
        MORE,
    ),
    st.binary(max_size=12),
)
GOOD = st.tuples(st.integers(0, 2), st.integers(0, 4)).map(
    lambda n: entry([n[1]] * n[0], size=4 * n[1] ** n[0])
)
PAIRS = st.tuples(
    st.sampled_from([0, 0, 0, 0, 1, 2]),
    st.sampled_from([b"a", b"b", b"c", b"aa", b"", b"\xff"]),
    ENTRIES | GOOD,
)


def test_what_is_forged_with_right_checksums_is_refused_or_told_as_tensorflow_tells_it(forge):
    """Where the check lets one through that TensorFlow dies of, this process dies."""
    path, seen = forge(b""), Counter()

    @quick(2000)
    @given(st.lists(PAIRS, min_size=1, max_size=3))
    def property(pairs):
        with open(path + ".index", "wb") as file:
            file.write(table(pairs))
        told = told_or_refused(path)
        seen[told is not None] += 1
        if told is not None:
            assert told == told_by_tensorflow(path)
            reader = tf.train.load_checkpoint(path)
            for name in told:
                with contextlib.suppress(
                    tf.errors.OpError, ValueError, IndexError
                ):  # the checksums of the values are not forged
                    reader.get_tensor(name)

    property()
    assert min(seen.values()) > 20


def told_or_refused(path):
    """Return what the check tells of a checkpoint, which must be bounded; None where it is refused, which must be said in a few words."""
    try:
        told = bundle.check(path)
    except ValueError as error:
        assert 3 < len(str(error)) < 80 and "\n" not in str(error)
        return None
    assert all(
        len(shape) <= bundle.MOST_AXES and min(shape, default=0) >= 0 for shape, _ in told.values()
    )
    assert sum(math.prod(shape) * dtype.size for shape, dtype in told.values()) <= 64
    return told


def test_pipes_folders_and_what_is_not_there(forge, tmp_path):
    path = forge(table([(0, b"w", entry([1], size=4))]))
    bundle.check(path)
    os.mkdir(path)
    with pytest.raises(ValueError, match="a folder has its name"):
        bundle.check(path)
    os.rmdir(path)
    for suffix in (".index", ".data-00000-of-00001"):
        os.rename(path + suffix, tmp_path / "kept")
        with pytest.raises(ValueError, match=f"no file model.ckpt-7{suffix}"):
            bundle.check(path)
        os.mkfifo(path + suffix)
        with pytest.raises(ValueError, match=f"no file model.ckpt-7{suffix}"):
            bundle.check(path)
        os.replace(tmp_path / "kept", path + suffix)


def test_a_command_that_is_given_one_ends_in_one_line(forge, tmp_path):
    """Each of these kills a process that lets TensorFlow 2.21 open it."""
    for name in ("negative", "no type", "254 axes"):
        path = forge(table(HOSTILE[name]))
        for command in (
            ["predict", f"--checkpoint={path}", "x.png"],
            ["train", f"--model_dir={tmp_path / 'new'}", f"--init_from={tmp_path}"],
        ):
            life = lives.live(tmp_path / "log", command)
            assert (
                life.code == 2
                and life.text.startswith(f"mtl {command[0]}: {path}: cannot be read (")
                and life.text.count("\n") == 1
            )
