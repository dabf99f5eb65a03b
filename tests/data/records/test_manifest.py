"""The manifest of records: it is read as written, and its faults are named."""

import json

import pytest
from hypothesis import given, settings, strategies as st

from mtl.data.records import manifest
from mtl.errors import DataError
from tests import record_sets

RECORDS = record_sets.some(["210", "", "1234567"])


def error_of(directory):
    with pytest.raises(DataError) as caught:
        manifest.read_manifest(str(directory))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "manifest.json").write_bytes(b"before")
    with pytest.raises(TypeError):
        manifest.write_manifest(str(tmp_path), {"version": object()})
    found = [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    assert found == [("manifest.json", b"before")]


def test_reads_what_was_written(tmp_path):
    written = record_sets.write(tmp_path, train=[RECORDS[:2], RECORDS[2:]], test=[RECORDS])
    assert manifest.read_manifest(str(tmp_path)) == written
    assert json.loads((tmp_path / "manifest.json").read_text()) == written
    assert len(list(tmp_path.iterdir())) == 4


def test_missing_manifest_is_an_error(tmp_path):
    wanted = "manifest.json: cannot be read (No such file or directory); give the folder"
    assert wanted in error_of(tmp_path)


def changed(*path, to):
    """Return a function that changes one value of a manifest; path: its keys."""

    def change(value):
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


def without(key):
    """Return a function that removes a key of a manifest."""
    return lambda value: value.pop(key)


SHARD = ("splits", "train", "shards", 0)
FILE = "train-00000-of-00001.tfrecord"


@pytest.mark.parametrize(
    "change, reason",
    [
        (changed("version", to=2), "version 2 of the format, but only 1 is supported"),
        (changed("version", to="1"), "damaged (version: '1')"),
        (changed("version", to=True), "damaged (version: True)"),
        (without("version"), "damaged (no 'version')"),
        (without("splits"), "damaged (no 'splits')"),
        (changed("splits", to=[]), "damaged (a value has another type than mtl"),
        (changed("splits", "train", to=None), "damaged (a value has another type than mtl"),
        (
            changed("splits", "train", "records", to=4),
            "damaged (4 records of train, but 3 in its shards)",
        ),
        (changed(*SHARD, "records", to=-1), f"damaged (records of {FILE}: -1)"),
        (changed(*SHARD, "records", to=10**18), "records do not fit into the"),
        (changed(*SHARD, "records", to=10**30), f"damaged (records of {FILE}: 1000000000"),
        (changed(*SHARD, "bytes", to=10**4000), f"damaged (bytes of {FILE}: 1000000000"),
        (changed(*SHARD, "bytes", to=1.0), f"damaged (bytes of {FILE}: 1.0)"),
        (
            changed(*SHARD, "file", to="../a"),
            "damaged (the shard '../a' of train is not the name of a file beside it)",
        ),
        (changed(*SHARD, "file", to="a\nb"), "is not the name of a file beside it"),
        (changed(*SHARD, "file", to=7), "is not the name of a file beside it"),
        (changed(*SHARD, "file", to="gone"), "gone: no such file, but manifest.json lists it"),
        (changed(*SHARD, "bytes", to=1111), "bytes, but 1111 in manifest.json; delete it"),
    ],
)
def test_wrong_value_is_named_with_the_cure(tmp_path, change, reason):
    written = record_sets.write(tmp_path, train=[RECORDS])
    change(written)
    manifest.write_manifest(str(tmp_path), written)
    message = error_of(tmp_path)
    assert reason in message
    assert str(tmp_path) in message
    assert "repeat mtl convert" in message


@pytest.mark.parametrize("first, second", [("train", "train"), ("train", "test")])
def test_rejects_a_shard_that_is_listed_twice(tmp_path, first, second):
    written = record_sets.write(tmp_path, train=[RECORDS[:2], RECORDS[2:]], test=[RECORDS])
    splits = written["splits"]
    shard = splits[first]["shards"][0]
    splits[second]["shards"].append(shard)
    splits[second]["records"] += shard["records"]
    manifest.write_manifest(str(tmp_path), written)
    reason = f"damaged (the shard 'train-00000-of-00002.tfrecord' of {second} is listed twice)"
    assert f"{reason}; repeat mtl convert" in error_of(tmp_path)


def test_rejects_a_split_that_is_listed_twice(tmp_path):
    record_sets.write(tmp_path, train=[RECORDS])
    path = tmp_path / "manifest.json"
    whole = path.read_text()
    start = whole.index('"train"')
    path.write_text(f'{whole[:start]}"train": {{"records": 0, "shards": []}}, {whole[start:]}')
    assert "manifest.json: damaged (an object has a key twice); repeat" in error_of(tmp_path)


def test_skips_a_byte_order_mark(tmp_path):
    written = record_sets.write(tmp_path, train=[RECORDS])
    path = tmp_path / "manifest.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert manifest.read_manifest(str(tmp_path)) == written


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"[]",
        b'"version"',
        b"{}",
        b'{"version": NaN}',
    ],
)
def test_rejects_other_content(tmp_path, data):
    (tmp_path / "manifest.json").write_bytes(data)
    message = error_of(tmp_path)
    assert "manifest.json: damaged" in message
    assert "repeat mtl convert" in message


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KNOWN = st.sampled_from(["version", "splits", "train", "records", "shards", "file", "bytes"])
KEYS = KNOWN | st.text(max_size=3)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    value=ANY,
    version=st.just(1) | SCALARS,
    splits=st.dictionaries(KEYS, st.fixed_dictionaries({"shards": ANY, "records": ANY}) | ANY),
)
def test_any_json_is_read_or_rejected(tmp_path_factory, value, version, splits):
    directory = tmp_path_factory.mktemp("any")
    for written in (value, {"version": version, "splits": splits}):
        (directory / "manifest.json").write_text(json.dumps(written))
        try:
            assert manifest.read_manifest(str(directory))["version"] == 1
        except DataError as error:
            assert "\n" not in str(error)
