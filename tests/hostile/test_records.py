"""Shards with any damage, and shards whose checksums hold though what they hold is none of ours."""

import json
import re
from collections import Counter

import tensorflow.compat.v1 as tf
from hypothesis import given, strategies as st

from mtl.data.records import format as records
from mtl.data.records.manifest import FRAME
from tests import record_sets
from tests.mutations import damaged, quick

GOOD = record_sets.some(["210", ""])


def write(directory, content, count=2):
    """Write a shard of any bytes, and the manifest that goes with it; returns the shard's path."""
    path = directory / records.shard_name("train", 0, 1)
    path.write_bytes(content)
    shard = {"file": path.name, "records": count, "bytes": len(content), "sha256": "-"}
    manifest = {"version": 1, "splits": {"train": {"records": count, "shards": [shard]}}}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return path


def framed(directory, *serialized):
    """Return the bytes of a shard of records, whose checksums hold."""
    path = directory / "framed"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialized:
            writer.write(record)
    return path.read_bytes()


def whole(directory):
    return framed(directory, *map(records.serialize, GOOD))


def test_each_byte_turned_over_is_found_and_its_record_named(tmp_path, taken):
    content = whole(tmp_path)
    first = FRAME + len(records.serialize(GOOD[0]))
    for at in range(len(content)):
        data = bytearray(content)
        data[at] ^= 0xFF
        path = write(tmp_path, data)
        answer = taken("records", tmp_path, f"{path}: record {int(at >= first)}: ")
        assert answer["outcome"] == "refused", at


def test_each_length_that_is_left_is_refused(tmp_path, taken):
    content = whole(tmp_path)
    first = FRAME + len(records.serialize(GOOD[0]))
    for size in range(2 * FRAME, len(content), 3):
        path = write(tmp_path, content[:size])
        # Of a length that is cut itself TensorFlow takes no notice.
        said = (
            f"{path}: 1 records, but 2 in"
            if first <= size < first + 12
            else f"{path}: record {int(size > first)}: "
        )
        assert taken("records", tmp_path, said)["outcome"] == "refused"
    write(tmp_path, b"")
    assert taken("records", tmp_path, tmp_path / "manifest.json")["outcome"] == "refused"


def test_no_damage_makes_it_crash(tmp_path, taken):
    seen = Counter()

    @quick(150)
    @given(damaged(whole(tmp_path)), st.integers(0, 4))
    def property(data, count):
        path = write(tmp_path, data, count)
        seen[taken("records", tmp_path, path, tmp_path / "manifest.json")["outcome"]] += 1

    property()
    assert seen["refused"] > 20  # to be read, a shard must be as it was


@quick(150)
@given(data=st.data())
def test_a_length_whose_checksum_holds_is_bounded_before_memory_is_asked_for(
    tmp_path_factory, taken, data
):
    directory = tmp_path_factory.mktemp("length")
    length = data.draw(
        st.integers(0, 2**64 - 1)
        | st.integers(0, 64).map(lambda power: 2**power - 1)
        | st.integers(0, 2**36)
    )
    claim = length.to_bytes(8, "little")
    # The checksum of these eight bytes, as TensorFlow makes it: what stands behind a record of them.
    claim += framed(directory, claim)[-4:]
    content = whole(directory)
    first = FRAME + len(records.serialize(GOOD[0]))
    path = write(directory, content[:first] + claim + content[first + 12 :])
    answer = (
        taken("records", directory, f"{path}: record 1: ")
        if length != len(content) - first - FRAME
        else None
    )
    assert not answer or answer["outcome"] == "refused"


FEATURES = [*records.FEATURES, "image/names", ""]
VALUES = st.one_of(
    st.lists(
        st.binary(max_size=9)
        | st.sampled_from([GOOD[0].encoded, GOOD[1].encoded, b"1.png", b"a\nb"]),
        max_size=3,
    ).map(lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 20), max_size=5).map(
        lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    ),
    st.lists(st.floats(width=32) | st.floats(0, 20, width=32), max_size=12).map(
        lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values))
    ),
    st.just(tf.train.Feature()),
)


@st.composite
def examples(draw):
    """Draw a serialized record: a good one with some features changed, with a damaged picture, or with damaged bytes."""
    kind = draw(st.sampled_from(["features", "features", "picture", "bytes"]))
    good = draw(st.sampled_from(GOOD))
    if kind == "picture":
        return records.serialize(good._replace(encoded=draw(damaged(good.encoded))))
    if kind == "bytes":
        return draw(damaged(records.serialize(good)))
    made = tf.train.Example.FromString(records.serialize(good))
    for name, feature in draw(
        st.dictionaries(st.sampled_from(FEATURES), VALUES, min_size=1, max_size=3)
    ).items():
        made.features.feature[name].CopyFrom(feature)
    return made.SerializeToString()


def test_no_content_makes_it_crash(tmp_path, taken):
    seen = Counter()

    @quick(300)
    @given(examples())
    def property(serialized):
        path = write(tmp_path, framed(tmp_path, records.serialize(GOOD[0]), serialized))
        answer = taken("records", tmp_path, f"{path}: record 1: ")
        seen[answer["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 20


def test_training_refuses_what_it_cannot_read_as_well(tmp_path, taken):
    seen = Counter()

    @quick(20)
    @given(examples())
    def property(serialized):
        path = write(tmp_path, framed(tmp_path, serialized, records.serialize(GOOD[0])))
        answer = taken("training", tmp_path, f"{path}: record 0: ")
        seen[answer["outcome"]] += 1

    property()
    assert min(seen["read"], seen["refused"]) > 2


def test_a_manifest_that_claims_more_than_any_memory_holds_is_refused(tmp_path, taken):
    path = write(tmp_path, b"")
    size = 1 << 42
    with open(path, "wb") as file:
        file.truncate(size)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    split = manifest["splits"]["train"]
    split["shards"][0].update(bytes=size, records=size // FRAME)
    split["records"] = size // FRAME
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    answer = taken("records", tmp_path, tmp_path / "manifest.json", measured=True)
    assert (
        re.search(
            r"2\d{11} images of 64 x 64 pixels do not fit into memory", answer["told"]
        )
        and answer["mb"] < 100
    )
    answer = taken(
        "training", tmp_path, f"{path}: record 0: ", measured=True
    )  # which takes no room beforehand
    assert answer["outcome"] == "refused" and answer["mb"] < 500
