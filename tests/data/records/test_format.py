"""Records and shards: what is written can be read, and damage is reported."""

import hashlib

import pytest
import tensorflow.compat.v1 as tf

from mtl.data.records import format as records
from mtl.data.records.manifest import Shard
from mtl.errors import DataError
from tests import record_sets
from tests.data.records.broken import DAMAGE, frames

BOXES = [(3.0, 4.0, 12.0, 16.0), (12.0, 5.0, 20.0, 17.5), (21.0, 6.0, 30.0, 18.0)]
SEVEN_BOXES = [(d - 2.25, d, d + 1.0, d + 9.0) for d in range(7)]
RECORDS = [
    records.Record("1.png", b"\x89PNG one", 17, 41, "210", BOXES),
    records.Record("é2.png", b"", 5, 7, "", []),
    records.Record("3.jpg", bytes(range(256)), 300, 2, "1234567", SEVEN_BOXES),
]


def shard_of(path, count=3):
    return Shard(str(path), count, path.stat().st_size)


def features(serialized):
    """Return the features of a tf.train.Example, dict name -> list."""
    found = tf.train.Example.FromString(serialized).features.feature
    kinds = {name: feature.WhichOneof("kind") for name, feature in found.items()}
    return {name: list(getattr(found[name], kind).value) for name, kind in kinds.items()}


def test_shard_names_have_five_digits():
    assert records.shard_name("train", 3, 12) == "train-00003-of-00012.tfrecord"


def test_shard_has_the_documented_features(tmp_path):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    entry = records.write_shard(str(path), iter(RECORDS))
    data = path.read_bytes()
    assert entry == {
        "file": path.name,
        "records": 3,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    got = [features(frame) for frame in frames(path)]
    assert len(got) == 3
    for found, record in zip(got, RECORDS):
        assert found == {
            "image/name": [record.name.encode()],
            "image/encoded": [record.encoded],
            "image/height": [record.height],
            "image/width": [record.width],
            "digits": [int(digit) for digit in record.number],
            "length": [len(record.number)],
            "boxes": [side for box in record.boxes for side in box],
        }


def test_shard_may_be_empty(tmp_path):
    assert records.write_shard(str(tmp_path / "a"), []) == {
        "file": "a",
        "records": 0,
        "bytes": 0,
        "sha256": hashlib.sha256().hexdigest(),
    }


def test_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_bytes(b"before")

    def failing():
        yield RECORDS[0]
        raise RuntimeError("no more images")

    with pytest.raises(RuntimeError, match="no more images"):
        records.write_shard(str(tmp_path / "a"), failing())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"before")]


def test_shard_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere/a: cannot be written .*choose another folder"):
        records.write_shard(str(tmp_path / "nowhere" / "a"), RECORDS)


def test_parses_what_was_written(tmp_path):
    path = tmp_path / "a"
    records.write_shard(str(path), RECORDS)
    serialized = list(records.serialized_records(shard_of(path)))
    assert serialized == frames(path)
    assert list(map(records.parse, serialized)) == RECORDS


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_shard_is_named(tmp_path, damage):
    record_sets.write(tmp_path, test=[record_sets.some(["5", "67", "8"])])
    path = tmp_path / "test-00000-of-00001.tfrecord"
    damage(path)
    with pytest.raises(DataError) as caught:
        list(records.serialized_records(shard_of(path)))
    message = str(caught.value)
    assert message.startswith(f"{path}: {DAMAGE[damage]}")
    assert message.endswith("; delete the shard and repeat mtl convert")
    assert "\n" not in message
