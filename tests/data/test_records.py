"""Records on disk: what is written is read, and what is damaged is named."""

import hashlib
import json
import struct

import pytest
import tensorflow.compat.v1 as tf
from hypothesis import given, settings, strategies as st

from mtl.data import records
from mtl.errors import DataError

RECORDS = [
    records.Record("1.png", b"\x89PNG one", 17, 41, "210", [(3.0, 4.0, 12.0, 16.0), (12.0, 5.0, 20.0, 17.5), (21.0, 6.0, 30.0, 18.0)]),
    records.Record("é2.png", b"", 5, 7, "", []),
    records.Record("3.jpg", bytes(range(256)), 300, 2, "1234567", [(d - 2.25, d, d + 1.0, d + 9.0) for d in range(7)]),
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
    return {name: kinds[feature.WhichOneof("kind")](getattr(feature, feature.WhichOneof("kind")).value) for name, feature in found.items()}


def make(directory, **splits):
    """Write shards of lists of records, a list a shard, and their manifest; returns the manifest."""
    manifest = {"version": 1, "window": "boxes grown to 1.3 times", "seed": 0, "sources": {}, "splits": {}}
    for split, shards in splits.items():
        written = [
            records.write_shard(str(directory / records.shard_name(split, index, len(shards))), shard) for index, shard in enumerate(shards)
        ]
        manifest["splits"][split] = {"records": sum(map(len, shards)), "skipped": {}, "shards": written}
    records.write_manifest(str(directory), manifest)
    return manifest


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- shards ------------------------------------------------------------------------------------------------------------------------


def test_names_of_shards():
    assert records.shard_name("train", 3, 12) == "train-00003-of-00012.tfrecord"


def test_a_shard_holds_the_features_that_are_promised(tmp_path):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    described = records.write_shard(str(path), iter(RECORDS))
    data = path.read_bytes()
    assert described == {"file": path.name, "records": 3, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
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
    assert records.write_shard(str(tmp_path / "a"), []) == {"file": "a", "records": 0, "bytes": 0, "sha256": hashlib.sha256().hexdigest()}


def test_nothing_is_left_where_writing_fails(tmp_path):
    (tmp_path / "a").write_bytes(b"before")

    def failing():
        yield RECORDS[0]
        raise RuntimeError("no more pictures")

    with pytest.raises(RuntimeError, match="no more pictures"):
        records.write_shard(str(tmp_path / "a"), failing())
    with pytest.raises(TypeError):
        records.write_manifest(str(tmp_path), {"version": object()})
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"before")]


def test_a_shard_that_cannot_be_written_is_named(tmp_path):
    message = error_of(records.write_shard, str(tmp_path / "nowhere" / "a"), RECORDS)
    assert "nowhere/a: cannot be written" in message and "choose another directory" in message


# -- the manifest --------------------------------------------------------------------------------------------------------------------


def test_the_manifest_comes_back(tmp_path):
    manifest = make(tmp_path, train=[RECORDS[:2], RECORDS[2:]], test=[RECORDS])
    assert records.read_manifest(str(tmp_path)) == manifest == json.loads((tmp_path / "manifest.json").read_text())
    assert len(list(tmp_path.iterdir())) == 4


def test_a_manifest_that_is_not_there(tmp_path):
    assert "manifest.json: cannot be read (No such file or directory): --data_dir" in error_of(records.read_manifest, str(tmp_path))


def changed(*path, to):
    """Return a function that puts a value deep into a manifest."""

    def change(manifest):
        for key in path[:-1]:
            manifest = manifest[key]
        manifest[path[-1]] = to

    return change


SHARD = ("splits", "train", "shards", 0)


@pytest.mark.parametrize(
    "change, reason",
    [
        (changed("version", to=2), "version 2 of the format, and 1 is read"),
        (changed("version", to="1"), "damaged (version: '1')"),
        (changed("version", to=True), "damaged (version: True)"),
        (lambda manifest: manifest.pop("version"), "damaged (no 'version')"),
        (lambda manifest: manifest.pop("splits"), "damaged (no 'splits')"),
        (changed("splits", to=[]), "damaged ("),
        (changed("splits", "train", to=None), "damaged ("),
        (changed("splits", "train", "records", to=4), "damaged (4 records of train, and 3 in its shards)"),
        (changed(*SHARD, "records", to=-1), "damaged (records of train-00000-of-00001.tfrecord: -1)"),
        (changed(*SHARD, "bytes", to=1.0), "damaged (bytes of train-00000-of-00001.tfrecord: 1.0)"),
        (changed(*SHARD, "file", to="../a"), "damaged (the shard '../a' of train is not the name of a file beside it)"),
        (changed(*SHARD, "file", to="a\nb"), "is not the name of a file beside it"),
        (changed(*SHARD, "file", to=7), "is not the name of a file beside it"),
        (changed(*SHARD, "file", to="gone"), "gone: no such file, though manifest.json lists it"),
        (changed(*SHARD, "bytes", to=11), "bytes, and 11 by manifest.json: delete it"),
    ],
)
def test_a_manifest_that_is_wrong_is_named_with_the_cure(tmp_path, change, reason):
    manifest = make(tmp_path, train=[RECORDS])
    change(manifest)
    records.write_manifest(str(tmp_path), manifest)
    message = error_of(records.read_manifest, str(tmp_path))
    assert reason in message and str(tmp_path) in message and "repeat mtl convert" in message


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b'"version"', b"{}", b'{"version": NaN}'])
def test_a_manifest_that_is_no_manifest(tmp_path, data):
    (tmp_path / "manifest.json").write_bytes(data)
    message = error_of(records.read_manifest, str(tmp_path))
    assert "manifest.json: damaged" in message and "repeat mtl convert" in message


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["version", "splits", "train", "records", "shards", "file", "bytes"]) | st.text(max_size=3)
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@settings(max_examples=150, deadline=None)
@given(value=ANY, version=st.just(1) | SCALARS, splits=st.dictionaries(KEYS, st.fixed_dictionaries({"shards": ANY, "records": ANY}) | ANY))
def test_no_manifest_makes_it_crash(tmp_path_factory, value, version, splits):
    directory = tmp_path_factory.mktemp("any")
    for manifest in (value, {"version": version, "splits": splits}):
        (directory / "manifest.json").write_text(json.dumps(manifest))
        try:
            assert records.read_manifest(str(directory))["version"] == 1
        except DataError as error:
            assert "\n" not in str(error)
