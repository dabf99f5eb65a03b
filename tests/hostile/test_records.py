"""Shards with any damage, and intact shards of any content."""

import json
import re
from collections import Counter

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, strategies as st

from mtl.data.records import format as records
from mtl.data.records.manifest import FRAME
from tests import record_sets
from tests.hostile.shards import framed, write
from tests.mutations import damaged, quick

pytestmark = pytest.mark.slow

GOOD = record_sets.some(["210", ""])
FIRST = FRAME + len(records.serialize(GOOD[0]))  # bytes of the first record in a shard


def whole(directory):
    return framed(directory, *map(records.serialize, GOOD))


def test_each_inverted_byte_is_found_and_its_record_named(tmp_path, read):
    content = whole(tmp_path)
    for at in range(len(content)):
        data = bytearray(content)
        data[at] ^= 0xFF
        path = write(tmp_path, data)
        answer = read("records", tmp_path, f"{path}: record {int(at >= FIRST)}: ")
        assert answer["outcome"] == "rejected", at


def test_truncated_shard_is_rejected(tmp_path, read):
    content = whole(tmp_path)
    for size in range(2 * FRAME, len(content), 3):
        path = write(tmp_path, content[:size])
        if FIRST <= size < FIRST + 12:  # TensorFlow ignores an incomplete length
            wanted = f"{path}: 1 records, but 2 in"
        else:
            wanted = f"{path}: record {int(size > FIRST)}: "
        assert read("records", tmp_path, wanted)["outcome"] == "rejected"
    write(tmp_path, b"")
    assert read("records", tmp_path, tmp_path / "manifest.json")["outcome"] == "rejected"


def test_damaged_shard_is_rejected(tmp_path, read):
    seen = Counter()

    @quick(150)
    @given(damaged(whole(tmp_path)), st.integers(0, 4))
    def check(data, count):
        path = write(tmp_path, data, count)
        seen[read("records", tmp_path, path, tmp_path / "manifest.json")["outcome"]] += 1

    check()
    assert seen["rejected"] > 20


LENGTHS = (
    st.integers(0, 2**64 - 1)
    | st.integers(0, 64).map(lambda power: 2**power - 1)
    | st.integers(0, 2**36)
)


@quick(150)
@given(length=LENGTHS)
def test_length_with_a_correct_checksum_is_limited(tmp_path_factory, read, length):
    directory = tmp_path_factory.mktemp("length")
    content = whole(directory)
    if length == len(content) - FIRST - FRAME:  # the true length
        return
    claim = length.to_bytes(8, "little")
    # Behind a record of these eight bytes, TensorFlow writes their checksum.
    claim += framed(directory, claim)[-4:]
    path = write(directory, content[:FIRST] + claim + content[FIRST + 12 :])
    assert read("records", directory, f"{path}: record 1: ")["outcome"] == "rejected"


def feature_of(**kind):
    """Return a strategy of tf.train.Feature, from the strategy of one kind of list."""
    ((name, values),) = kind.items()
    make = {
        "bytes_list": tf.train.BytesList,
        "int64_list": tf.train.Int64List,
        "float_list": tf.train.FloatList,
    }[name]
    return values.map(lambda value: tf.train.Feature(**{name: make(value=value)}))


FEATURES = [*records.FEATURES, "image/names", ""]
IMAGES = st.sampled_from([GOOD[0].encoded, GOOD[1].encoded, b"1.png", b"a\nb"])
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 20)
FLOATS = st.floats(width=32) | st.floats(0, 20, width=32)
VALUES = st.one_of(
    feature_of(bytes_list=st.lists(st.binary(max_size=9) | IMAGES, max_size=3)),
    feature_of(int64_list=st.lists(INTEGERS, max_size=5)),
    feature_of(float_list=st.lists(FLOATS, max_size=12)),
    st.just(tf.train.Feature()),
)
CHANGES = st.dictionaries(st.sampled_from(FEATURES), VALUES, min_size=1, max_size=3)


@st.composite
def examples(draw):
    """Draw a serialized record: a good one with changed features, or a damaged image, or damage."""
    kind = draw(st.sampled_from(["features", "features", "image", "bytes"]))
    good = draw(st.sampled_from(GOOD))
    if kind == "image":
        return records.serialize(good._replace(encoded=draw(damaged(good.encoded))))
    if kind == "bytes":
        return draw(damaged(records.serialize(good)))
    made = tf.train.Example.FromString(records.serialize(good))
    for name, feature in draw(CHANGES).items():
        made.features.feature[name].CopyFrom(feature)
    return made.SerializeToString()


def test_any_record_is_read_or_rejected(tmp_path, read):
    seen = Counter()

    @quick(300)
    @given(examples())
    def check(serialized):
        path = write(tmp_path, framed(tmp_path, records.serialize(GOOD[0]), serialized))
        seen[read("records", tmp_path, f"{path}: record 1: ")["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 20


def test_training_reads_or_rejects_any_record(tmp_path, read):
    seen = Counter()

    @quick(30)
    @given(examples())
    def check(serialized):
        path = write(tmp_path, framed(tmp_path, serialized, records.serialize(GOOD[0])))
        seen[read("training", tmp_path, f"{path}: record 0: ")["outcome"]] += 1

    check()
    assert min(seen["read"], seen["rejected"]) > 1


def test_number_of_records_beyond_memory_is_rejected(tmp_path, read):
    path = write(tmp_path, b"")
    size = 1 << 42
    with open(path, "wb") as file:
        file.truncate(size)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    split = manifest["splits"]["train"]
    split["shards"][0].update(bytes=size, records=size // FRAME)
    split["records"] = size // FRAME
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    answer = read("records", tmp_path, tmp_path / "manifest.json", measured=True)
    wanted = r"2\d{11} images of 64 x 64 pixels do not fit into memory"
    assert re.search(wanted, answer["result"])
    assert answer["mb"] < 100
    # Training allocates nothing for the whole split.
    answer = read("training", tmp_path, f"{path}: record 0: ", measured=True)
    assert answer["outcome"] == "rejected"
    assert answer["mb"] < 500
