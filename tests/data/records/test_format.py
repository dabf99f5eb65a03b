"""Records on disk: what is written is read, and what is damaged is named."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.data import images
from mtl.data.records import format as records, manifest, reader as records_reader
from mtl.data.svhn import digit_struct, reader
from mtl.errors import DataError, NoExamplesError
from tests import record_sets
from tests.data.svhn import test_reader as test_svhn

RECORDS = [
    records.Record(
        "1.png",
        b"\x89PNG one",
        17,
        41,
        "210",
        [(3.0, 4.0, 12.0, 16.0), (12.0, 5.0, 20.0, 17.5), (21.0, 6.0, 30.0, 18.0)],
    ),
    records.Record("é2.png", b"", 5, 7, "", []),
    records.Record(
        "3.jpg",
        bytes(range(256)),
        300,
        2,
        "1234567",
        [(d - 2.25, d, d + 1.0, d + 9.0) for d in range(7)],
    ),
]


def frames(path):
    """Read a TFRecord file by hand: a length, its checksum, the bytes, their checksum."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(data[12 : 12 + length])
        data = data[16 + length :]
    return found


def features(serialized):
    kinds = {"bytes_list": list, "int64_list": list, "float_list": list}
    found = tf.train.Example.FromString(serialized).features.feature
    return {
        name: kinds[feature.WhichOneof("kind")](getattr(feature, feature.WhichOneof("kind")).value)
        for name, feature in found.items()
    }


# -- shards ------------------------------------------------------------------------------------------------------------------------


def test_names_of_shards():
    assert records.shard_name("train", 3, 12) == "train-00003-of-00012.tfrecord"


def test_a_shard_holds_the_features_that_are_promised(tmp_path):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    described = records.write_shard(str(path), iter(RECORDS))
    data = path.read_bytes()
    assert described == {
        "file": path.name,
        "records": 3,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
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


def test_a_shard_of_nothing(tmp_path):
    assert records.write_shard(str(tmp_path / "a"), []) == {
        "file": "a",
        "records": 0,
        "bytes": 0,
        "sha256": hashlib.sha256().hexdigest(),
    }


def test_nothing_is_left_where_writing_fails(tmp_path):
    (tmp_path / "a").write_bytes(b"before")

    def failing():
        yield RECORDS[0]
        raise RuntimeError("no more pictures")

    with pytest.raises(RuntimeError, match="no more pictures"):
        records.write_shard(str(tmp_path / "a"), failing())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"before")]


def test_a_shard_that_cannot_be_written_is_named(tmp_path):
    message = test_svhn.error_of(records.write_shard, str(tmp_path / "nowhere" / "a"), RECORDS)
    assert "nowhere/a: cannot be written" in message and "choose another folder" in message


# -- reading -------------------------------------------------------------------------------------------------------------------------


def test_what_is_written_is_parsed(tmp_path):
    path = tmp_path / "a"
    records.write_shard(str(path), RECORDS)
    serialized = list(records.serialized_records(manifest.Shard(str(path), 3, path.stat().st_size)))
    assert serialized == frames(path)
    assert list(map(records.parse, serialized)) == RECORDS


def test_records_of_svhn_are_svhn(tmp_path):
    test_svhn.make(tmp_path / "svhn" / "test")
    wanted = reader.load(str(tmp_path / "svhn"), "test")
    made = []
    for entry in digit_struct.entries(str(tmp_path / "svhn" / "test" / "digitStruct.mat")):
        encoded = (tmp_path / "svhn" / "test" / entry.name).read_bytes()
        width, height = Image.open(io.BytesIO(encoded)).size
        made.append(records.Record(entry.name, encoded, height, width, entry.number, entry.boxes))
    record_sets.write(tmp_path, test=[made[:2], [], made[2:]])
    for count in (None, 5, 4, 1, 9):
        got = records_reader.load(str(tmp_path), "test", count=count)
        np.testing.assert_array_equal(got.images, wanted.images[:count])
        assert got.images.dtype == np.uint8
        assert (got.numbers, got.names) == (wanted.numbers[:count], wanted.names[:count])


def test_a_record_without_boxes_is_its_whole_picture(tmp_path):
    (record,) = record_sets.some(["12"])
    picture = Image.open(io.BytesIO(record.encoded))
    np.testing.assert_array_equal(records_reader.window(record._replace(boxes=[])), images.window(picture))
    assert (records_reader.window(record) != records_reader.window(record._replace(boxes=[]))).any()


def test_splits_that_are_not_there(tmp_path):
    record_sets.write(tmp_path, train=[record_sets.some(["1", "2"])], test=[[]])
    assert "manifest.json: no split 'extra', found train, test; choose" in test_svhn.error_of(
        records_reader.load, str(tmp_path), "extra"
    )
    for split in ("validation", "test"):
        with pytest.raises(
            NoExamplesError, match=f"manifest.json: no records in the split {split}; "
        ):
            records_reader.load(str(tmp_path), split)
    record_sets.write(tmp_path)
    assert "found none" in test_svhn.error_of(records_reader.load, str(tmp_path), "train")


def example(**changes):
    """Serialize a good record with some features (written with _ for /) changed: a Feature, or None to leave it out."""
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


def huge():
    """A PNG of a few bytes that claims to be 9,000 by 9,000 pixels."""
    data = bytearray(record_sets.encode(np.zeros((3, 5, 3), np.uint8)))
    data[16:24] = struct.pack(">2I", 9_000, 9_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


WHOLE = record_sets.some(["210"])[0].encoded
BROKEN = {  # serialized record, what is said of it
    "no example": (b"\xff\xff no example", "not a tf.train.Example"),
    "nothing": (b"", "0 values of image/name"),
    "two lengths": (example(length=integers(3, 3)), "2 values of length"),
    "no height": (example(image_height=None), "0 values of image/height"),
    "digit 11": (example(digits=integers(2, 11, 0)), "the digit 11 is not in 0..9"),
    "digit -1": (example(digits=integers(2, -1, 0)), "the digit -1 is not in 0..9"),
    "length": (example(length=integers(2)), "length 2, but 3 digits"),
    "boxes": (example(boxes=floats(*range(8))), "8 sides of boxes for 3 digits"),
    "part of a box": (example(boxes=floats(*range(11))), "11 sides of boxes for 3 digits"),
    "box of NaN": (example(boxes=floats(*[1.0, 1.0, 5.0, np.nan] * 3)), "a side of a box is not finite"),
    "box outside": (
        example(boxes=floats(*[90.0, 1.0, 95.0, 8.0] * 3)),
        "lies outside the image of 17 x 9",
    ),
    "box turned over": (example(boxes=floats(*[9.0, 1.0, 5.0, 8.0] * 3)), "has a negative width"),
    "other size": (
        example(image_width=integers(16)),
        "the image is 17 x 9, but 16 x 9 in the record",
    ),
    "no size": (example(image_width=integers(0)), "0 x 9 pixels"),
    "bomb by the record": (
        example(image_height=integers(2**40), image_width=integers(2**40)),
        "pixels, but an image may have 1 to 64 million",
    ),
    "bomb by the header": (example(image_encoded=file(huge())), "1.png: 9000 x 9000 pixels"),
    "no picture": (
        example(image_encoded=file(b"")),
        "1.png: not an image of a known format, or truncated",
    ),
    "cut short": (
        example(image_encoded=file(WHOLE[: len(WHOLE) // 2])),
        "1.png: the image cannot be decoded",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record_is_named(tmp_path, name):
    serialized, said = BROKEN[name]
    good = record_sets.some(["5", "67", "8"])
    record_sets.write(tmp_path, test=[good, [*good[:2], serialized, good[2]]])
    message = test_svhn.error_of(records_reader.load, str(tmp_path), "test")
    assert message.startswith(f"{tmp_path / 'test-00001-of-00002.tfrecord'}: record 2: ")
    assert said in message and message.endswith("; delete the shard and repeat mtl convert")


def flip(at):
    """Return a damage that turns the bits of one byte over; `at` counts from the start of record 1 of three."""

    def damage(path):
        data = bytearray(path.read_bytes())
        data[16 + len(frames(path)[0]) + at] ^= 0xFF
        path.write_bytes(data)

    return damage


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-7])


DAMAGE = {  # of a shard of three records, what is said of it
    "a picture's byte": (flip(100), "record 1: corrupted record"),
    "a length's byte": (flip(2), "record 1: corrupted record"),
    "a length's checksum": (flip(9), "record 1: corrupted record"),
    "the end": (cut_short, "record 2: truncated record"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_shard_is_named(tmp_path, name):
    damage, said = DAMAGE[name]
    record_sets.write(tmp_path, test=[record_sets.some(["5", "67", "8"])])
    path = tmp_path / "test-00000-of-00001.tfrecord"
    damage(path)
    with pytest.raises(DataError) as caught:
        list(records.serialized_records(manifest.Shard(str(path), 3, path.stat().st_size)))
    message = str(caught.value)
    assert (
        message.startswith(f"{path}: {said}")
        and message.endswith("; delete the shard and repeat mtl convert")
        and "\n" not in message
    )


@pytest.mark.parametrize(
    "claimed, said",
    [(2, "more than the 2 records in manifest.json"), (4, "3 records, but 4 in manifest.json")],
)
def test_counts_are_held_against_the_manifest(tmp_path, claimed, said):
    written = record_sets.write(tmp_path, test=[record_sets.some(["5", "67", "8"])])
    split = written["splits"]["test"]
    split["records"] = split["shards"][0]["records"] = claimed
    manifest.write_manifest(str(tmp_path), written)
    message = test_svhn.error_of(records_reader.load, str(tmp_path), "test")
    assert (
        message
        == f"{tmp_path / 'test-00000-of-00001.tfrecord'}: {said}; delete it and repeat mtl convert"
    )
