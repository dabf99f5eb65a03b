"""mtl.runs.bundle accepts what Saver writes and rejects what TensorFlow's reader would die of."""

import contextlib
import math
import os
from collections import Counter

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, strategies as st
from PIL import Image

from mtl import checkpoint
from mtl.runs import bundle, find
from tests import lives
from tests.mutations import damaged, quick
from tests.runs.forged_index import FLOAT, HEADER, INT64, STRING, entry, field, table

pytestmark = pytest.mark.slow

LARGEST = 2**63 - 1
INDEX, DATA = ".index", ".data-00000-of-00001"


@pytest.fixture
def forge(tmp_path):
    """A function index (bytes) -> path of a checkpoint with 64 bytes of data."""
    path = tmp_path / "model.ckpt-7"

    def make(index):
        path.with_name(path.name + INDEX).write_bytes(index)
        path.with_name(path.name + DATA).write_bytes(bytes(64))
        return str(path)

    return make


def read_by_tensorflow(path):
    """Return what TensorFlow reads from an index, in the form of bundle.check."""
    reader = tf.train.load_checkpoint(path)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return {name: (shapes[name], dtypes[name]) for name in shapes}


def checked(path):
    """Return bundle.check of a path after assertions on its limits, or None if it is rejected."""
    try:
        variables = bundle.check(path)
    except ValueError as error:
        assert_short(error)
        return None
    for shape, _ in variables.values():
        assert len(shape) <= bundle.MAX_AXES and min(shape, default=0) >= 0
    assert sum(math.prod(shape) * dtype.size for shape, dtype in variables.values()) <= 64
    return variables


def assert_short(error):
    assert 3 < len(str(error)) < 80 and "\n" not in str(error)


# -- accepted --------------------------------------------------------------------------------------


def test_accepts_what_saver_writes(tmp_path):
    values = {
        "step": np.int64(7),
        "half": np.ones(3, np.float16),
        "n": np.zeros([2, 1, 3], np.int32),
        "d": np.float64(1),
    }
    # A block holds 256 kB: these long names fill two.
    for i in range(300):
        name = f"{'long/' * 50}{i:03d}{'/and/longer' * 100}"
        values[name] = np.full((i % 3, 2), i, np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {
            name: tf.get_variable(name, initializer=tf.constant(value), use_resource=True)
            for name, value in values.items()
        }
        session.run(tf.global_variables_initializer())
        checkpoint.save(tf.train.Saver(variables), session, str(tmp_path), 7)
    path = str(tmp_path / "model.ckpt-7")
    assert bundle.check(path) == read_by_tensorflow(path)
    assert len(bundle.check(path)) == len(values)


def test_accepts_the_packaged_checkpoint():
    path = find.checkpoint("pretrained")
    assert bundle.check(path) == read_by_tensorflow(path)


def test_accepts_a_correct_forgery(forge):
    path = forge(table([(0, b"ab", entry([3, 4], size=48)), (1, b"c", entry([], INT64, 48, 8))]))
    expected = {"ab": ([3, 4], tf.float32), "ac": ([], tf.int64)}
    assert bundle.check(path) == read_by_tensorflow(path) == expected


# -- rejected --------------------------------------------------------------------------------------

W = b"w"
HOSTILE = {
    "negative": [(0, W, entry([-1]))],
    "two negatives": [(0, W, entry([-3, -4], size=48))],
    "huge": [(0, W, entry([LARGEST, LARGEST]))],
    "product of 2^64": [(0, W, entry([2**32, 2**32]))],
    "huge beside a zero": [(0, W, entry([LARGEST, LARGEST, 0]))],
    "254 axes": [(0, W, entry([2**60] * 254))],
    "a million axes": [(0, W, entry([1] * 10**6, size=4))],
    "no rank": [(0, W, field(1, FLOAT) + field(2, field(3, 1)) + field(5, 0))],
    "no shape": [(0, W, field(1, FLOAT) + field(5, 4))],
    "number for a shape": [(0, W, field(1, FLOAT) + field(2, 3) + field(5, 4))],
    "text for a size": [
        (0, W, field(1, FLOAT) + field(2, field(2, field(1, b"3"))) + field(5, 12)),
    ],
    "two shapes": [
        (0, W, field(1, FLOAT) + field(2, b"") + field(2, field(2, field(1, -1))) + field(5, 4)),
    ],
    "more than the data": [(0, W, entry([17], size=68))],
    "beyond the end": [(0, W, entry([3], offset=60, size=12))],
    "size of another shape": [(0, W, entry([3], size=16))],
    "negative size": [(0, W, entry([3], size=-12))],
    "slices": [(0, W, entry([4], size=16, more=field(7, field(1, field(1, 0)))))],
    "another data file": [
        (0, W, field(1, FLOAT) + field(2, field(2, field(1, 3))) + field(3, 99) + field(5, 12)),
    ],
    "string": [(0, W, entry([1], STRING, size=8))],
    "no type": [(0, W, entry([1], None, size=4))],
    "unknown type": [(0, W, entry([1], 999, size=4))],
    "reference type": [(0, W, entry([1], 101, size=4))],
    "repeated": [(0, W, entry([1], size=4)), (0, W, entry([2], size=8))],
    "out of order": [(0, W, entry([1], size=4)), (0, b"a", entry([1], offset=4, size=4))],
    "shared bytes": [(0, b"v", entry([16], size=64)), (0, W, entry([16], size=64))],
    "key begins before its block": [(5, W, entry([1], size=4))],
    "key of 100 kB": [(0, W * 100_000, entry([1], size=4))],
    "name not in UTF-8": [(0, b"\xff\xfe", entry([1], size=4))],
    "not a message": [(0, W, b"\x0b" * 9)],
    "truncated": [(0, W, entry([1], size=4)[:-3])],
}


@pytest.mark.parametrize("pairs", HOSTILE.values(), ids=HOSTILE)
def test_rejects_hostile_entries(forge, pairs):
    with pytest.raises(ValueError) as error:
        bundle.check(forge(table(pairs)))
    assert_short(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"restarts": [0, 3]},
        {"restarts": [7]},
        {"restarts": [0, 2**31]},
        {"restarts": []},
        {"compression": 1},
    ],
)
def test_rejects_broken_blocks(forge, options):
    with pytest.raises(ValueError):
        bundle.check(forge(table([(0, W, entry([1], size=4))], **options)))


BIG_ENDIAN = field(1, 1) + field(2, 1)
TWO_DATA_FILES = field(1, 2) + field(3, field(1, 1))


@pytest.mark.parametrize("header", [BIG_ENDIAN, TWO_DATA_FILES, b"", b"\xff" * 6])
def test_rejects_other_headers(forge, header):
    whole = table([(0, W, entry([1], size=4))])
    padded = header.ljust(len(HEADER), b"\0")[: len(HEADER)]
    with pytest.raises(ValueError):
        bundle.check(forge(whole.replace(HEADER, padded)))


def test_rejects_folders_pipes_and_missing_files(forge, tmp_path):
    path = forge(table([(0, W, entry([1], size=4))]))
    bundle.check(path)
    os.mkdir(path)
    with pytest.raises(ValueError, match="a folder has its name"):
        bundle.check(path)
    os.rmdir(path)
    for suffix in (INDEX, DATA):
        os.rename(path + suffix, tmp_path / "kept")
        with pytest.raises(ValueError, match=f"no file model.ckpt-7{suffix}"):
            bundle.check(path)
        os.mkfifo(path + suffix)
        with pytest.raises(ValueError, match=f"no file model.ckpt-7{suffix}"):
            bundle.check(path)
        os.replace(tmp_path / "kept", path + suffix)


def test_commands_report_hostile_checkpoints_in_one_line(forge, tmp_path):
    """Each of these kills a process in which TensorFlow 2.21 opens it."""
    image = str(tmp_path / "x.png")
    Image.new("RGB", (23, 17)).save(image)
    for name in ("negative", "no type", "254 axes"):
        path = forge(table(HOSTILE[name]))
        for command in (
            ["predict", f"--checkpoint={path}", image],
            ["train", f"--model_dir={tmp_path / 'new'}", f"--init_from={tmp_path}"],
        ):
            life = lives.live(tmp_path / "log", command)
            assert life.code == 2
            assert life.text.startswith(f"mtl {command[0]}: {path}: cannot be read (")
            assert life.text.count("\n") == 1


# -- random damage ---------------------------------------------------------------------------------


def test_random_damage_is_rejected_or_harmless(forge):
    path, outcomes = forge(b""), Counter()
    whole = table([(0, b"ab", entry([3, 4], size=48)), (1, b"c", entry([], INT64, 48, 8))])

    @quick(1000)
    @given(damaged(whole))
    def check_example(index):
        with open(path + INDEX, "wb") as file:
            file.write(index)
        outcomes[checked(path) is not None] += 1

    check_example()
    assert min(outcomes.values()) > 20


NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 4, 8, 16, 64, 2**31, 2**32, 2**62, LARGEST, -LARGEST])
TYPES = st.sampled_from([0, 1, 1, 1, 3, 7, 9, 20, 21, 101, 999])
SLICES = field(7, field(1, field(1, 0)))
MORE = st.sampled_from(
    [b"", b"", b"", field(3, 0), field(3, 1), field(7, b""), SLICES, field(4, 8), b"\x0b"]
)
WILD = st.builds(entry, st.lists(NUMBERS, max_size=4), TYPES, NUMBERS, NUMBERS, MORE)


def cube(axes, size):
    """Encode a correct entry of float32 [size, ..., size]."""
    return entry([size] * axes, size=4 * size**axes)


ENTRIES = WILD | st.binary(max_size=12) | st.builds(cube, st.integers(0, 2), st.integers(0, 4))
SHARED = st.sampled_from([0, 0, 0, 0, 1, 2])
KEYS = st.sampled_from([b"a", b"b", b"c", b"aa", b"", b"\xff"])


def test_random_forgeries_are_rejected_or_read_as_tensorflow_reads_them(forge):
    """If the check accepts one that kills TensorFlow, this process dies."""
    path, outcomes = forge(b""), Counter()

    @quick(2000)
    @given(st.lists(st.tuples(SHARED, KEYS, ENTRIES), min_size=1, max_size=3))
    def check_example(pairs):
        with open(path + INDEX, "wb") as file:
            file.write(table(pairs))
        variables = checked(path)
        outcomes[variables is not None] += 1
        if variables is None:
            return
        assert variables == read_by_tensorflow(path)
        reader = tf.train.load_checkpoint(path)
        for name in variables:
            # The checksums of the values are not forged.
            with contextlib.suppress(tf.errors.OpError, ValueError, IndexError):
                reader.get_tensor(name)

    check_example()
    assert min(outcomes.values()) > 20
