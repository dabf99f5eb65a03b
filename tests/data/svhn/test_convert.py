"""From folders in SVHN's layout to records: what is written, what is left out, and how a stopped run goes on."""

import hashlib
import json
import os
import shutil
import struct
import zlib
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from mtl.data.records import format as records, manifest as manifests, reader as records_reader
from mtl.data.svhn import archives, convert, reader
from mtl.errors import DataError, UsageError
from tests.svhn_files import boxes, draw, write_struct

TRAIN = [(f"{i}.png", boxes(str(7 * i))) for i in range(1, 41)]
TEST = [
    ("1.png", boxes("7")),
    ("2.png", boxes("210")),
    ("3.png", []),
    ("4.png", [(10, -2, -3, 20, 50)]),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    data = tmp_path_factory.mktemp("drawn")
    draw(data / "train", TRAIN)
    draw(data / "test", TEST, seed=1)
    return data


@pytest.fixture
def data(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "data")


def run(data, splits=("train", "test"), **options):
    """Convert into the folder `out` beside `data`; returns (manifest, worked, lines said)."""
    said = []

    def prepare(split, folder):
        return archives.prepare(
            str(data),
            split,
            folder,
            table=archives.OFFICIAL,
            url=None,
            say=lambda line: None,
            progress=lambda *done: None,
        )

    manifest, worked = convert.convert(
        str(data.parent / "out"), list(splits), prepare, say=said.append, **options
    )
    return manifest, worked, said


class Read(NamedTuple):
    """One record as it lies on the disk."""

    name: str
    encoded: bytes
    height: int
    width: int
    number: str
    boxes: list


def parse(content):
    features = tf.train.Example.FromString(content).features.feature
    digits, sides = features["digits"].int64_list.value, features["boxes"].float_list.value
    assert features["length"].int64_list.value == [len(digits)]
    return Read(
        features["image/name"].bytes_list.value[0].decode(),
        features["image/encoded"].bytes_list.value[0],
        features["image/height"].int64_list.value[0],
        features["image/width"].int64_list.value[0],
        "".join(map(str, digits)),
        list(zip(*[iter(sides)] * 4)),
    )


def read(out, split):
    """Read the records of a split without the code under test: the framing of a TFRecord is a length, 4 bytes, the record, 4 bytes."""
    found = []
    for shard in json.loads((out / "manifest.json").read_text())["splits"][split]["shards"]:
        content, place, before = (out / shard["file"]).read_bytes(), 0, len(found)
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            found.append(parse(content[place + 12 : place + 12 + length]))
            place += 16 + length
        assert len(found) - before == shard["records"]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            shard["bytes"],
            shard["sha256"],
        )
    return found


def test_all_that_is_labelled_is_converted(data, tmp_path):
    manifest, worked, said = run(data, shard_size=7)
    out = tmp_path / "out"
    assert worked and said == []
    held_out = {name for name, _ in TRAIN if zlib.crc32(name.encode()) % 10 == 0}
    assert 0 < len(held_out) < 10
    assert {record.name for record in read(out, "validation")} == held_out
    assert {record.name for record in read(out, "train")} == {name for name, _ in TRAIN} - held_out
    for split, entries in (("train", TRAIN), ("validation", TRAIN), ("test", TEST)):
        for record in read(out, split):
            directory = data / ("test" if split == "test" else "train")
            assert record.encoded == (directory / record.name).read_bytes()
            assert (record.height, record.width) == (17, 31)
            described = dict(entries)[record.name]
            assert record.number == "".join(str(box[0] % 10) for box in described)
            assert record.boxes == [
                (left, top, left + width, top + height) for _, left, top, width, height in described
            ]
    assert len(manifest["splits"]["train"]["shards"]) == -(-(40 - len(held_out)) // 7)
    assert sorted(os.listdir(out)) == sorted(
        [
            "manifest.json",
            *(shard["file"] for split in manifest["splits"].values() for shard in split["shards"]),
        ]
    )


def test_the_manifest_says_what_there_is(data, tmp_path):
    manifest, _, _ = run(data, seed=3)
    assert manifests.read_manifest(str(tmp_path / "out")) == manifest
    assert (
        manifest["version"] == 1
        and manifest["window"] == "boxes grown to 1.3 times"
        and manifest["seed"] == 3
    )
    assert {name: split["records"] for name, split in manifest["splits"].items()} == {
        "train": 40 - len(read(tmp_path / "out", "validation")), "validation": len(read(tmp_path / "out", "validation")), "test": 4,
    }  # fmt: skip
    content = (data / "train" / "digitStruct.mat").read_bytes()
    told = {"md5": hashlib.md5(content).hexdigest(), "bytes": len(content), "url": ""}
    assert manifest["sources"].keys() == {"train/digitStruct.mat", "test/digitStruct.mat"}
    assert manifest["sources"]["train/digitStruct.mat"] == told


def test_the_records_are_those_that_the_folder_gives(data, tmp_path):
    run(data)
    for split in ("train", "validation", "test"):
        of_folder, of_records = (
            reader.load(str(data), split),
            records_reader.load(str(tmp_path / "out"), split),
        )
        order = [of_records.names.index(name) for name in of_folder.names]
        assert len(order) == len(of_records.names)
        assert [of_records.numbers[i] for i in order] == of_folder.numbers
        np.testing.assert_array_equal(of_records.images[order], of_folder.images)


def test_the_seed_decides_order_and_validation(data, tmp_path):
    orders, held = [], []
    for seed in (0, 5):
        run(data, seed=seed)
        orders.append([record.name for record in read(tmp_path / "out", "train")])
        held.append({record.name for record in read(tmp_path / "out", "validation")})
        os.rename(tmp_path / "out", tmp_path / f"out{seed}")
        assert held[-1] == {name for name, _ in TRAIN if zlib.crc32(name.encode(), seed) % 10 == 0}
    assert held[0] != held[1] and orders[0] != orders[1]
    places = [[name for name, _ in TRAIN].index(name) for name in orders[0]]
    assert (
        sum(abs(a - b) < 3 for a, b in zip(places, places[1:])) < 12
    )  # of 35 pairs; in the file's order nearly all


def test_extra_may_be_mixed_into_train(data, tmp_path):
    draw(data / "extra", TRAIN[:20], seed=2)
    manifest, _, _ = run(data, ["train", "test", "extra"], extra_into_train=True)
    assert manifest["splits"].keys() == {"train", "validation", "test"}
    both = read(tmp_path / "out", "train") + read(tmp_path / "out", "validation")
    assert {record.name for record in both} == {name for name, _ in TRAIN} | {
        f"extra/{name}" for name, _ in TRAIN[:20]
    }
    names = [record.name.startswith("extra/") for record in read(tmp_path / "out", "train")]
    assert True in names[:12] and False in names[-12:]
    assert {record.name for record in read(tmp_path / "out", "validation")} == {
        record.name for record in both if zlib.crc32(record.name.encode()) % 10 == 0
    }
    for record in both:
        assert (
            record.encoded
            == (
                data / ("" if record.name.startswith("extra/") else "train") / record.name
            ).read_bytes()
        )


# -- what is left out -----------------------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_counted_where_it_belongs(data, tmp_path):
    held_out = [name for name, _ in TRAIN if zlib.crc32(name.encode()) % 10 == 0]
    kept = [name for name, _ in TRAIN if name not in held_out]
    for name in (held_out[0], *kept[:2]):
        os.remove(data / "train" / name)
    manifest, _, said = run(data, ["train"])
    assert manifest["splits"]["train"]["skipped"] == {"pictures that are absent": 2}
    assert manifest["splits"]["validation"]["skipped"] == {"pictures that are absent": 1}
    assert said == [
        f"train: 2 skipped: pictures that are absent, the first: {kept[0]}",
        f"validation: 1 skipped: pictures that are absent, the first: {held_out[0]}",
    ]


def test_nothing_left_is_an_error(data, tmp_path):
    for i in range(1, 5):
        os.remove(data / "test" / f"{i}.png")
    with pytest.raises(DataError, match="test/digitStruct.mat: no picture can be used for test"):
        run(data, ["test"])
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_small_set_may_do_without_validation(tmp_path):
    draw(tmp_path / "data" / "train", [("1.png", boxes("12"))])
    assert zlib.crc32(b"1.png") % 10
    manifest, _, said = run(tmp_path / "data", ["train"])
    assert manifest["splits"]["validation"] == {"records": 0, "shards": [], "skipped": {}}
    assert len(said) == 1 and "validation: empty" in said[0]


# -- going on -------------------------------------------------------------------------------------------------------------------------


def stamps(out):
    return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def test_a_finished_conversion_does_nothing(data, tmp_path):
    first = run(data)
    before = stamps(tmp_path / "out")
    os.rename(data, tmp_path / "moved")  # nor does it look for the pictures
    manifest, worked, said = run(data)
    assert (manifest, worked, said) == (first[0], False, [])
    assert run(data, ["test"])[1] is False
    assert stamps(tmp_path / "out") == before


def test_splits_may_come_one_after_another(data, tmp_path):
    run(data, ["test"])
    before = stamps(tmp_path / "out")
    manifest, worked, _ = run(data, ["train"])
    assert worked and manifest["splits"].keys() == {"train", "validation", "test"}
    after = stamps(tmp_path / "out")
    assert {name: after[name] for name in before if name != "manifest.json"} == {
        name: before[name] for name in before if name != "manifest.json"
    }
    assert manifests.read_manifest(str(tmp_path / "out")) == manifest


@pytest.mark.parametrize("stop", range(10))
def test_a_run_stopped_anywhere_goes_on(data, tmp_path, monkeypatch, stop):
    """Stopped after `stop` shards, in the middle of the next one, or where all are written."""
    (data / "train" / "3.png").write_bytes(b"broken")
    whole, _, _ = run(data, shard_size=6)
    assert sum(len(split["shards"]) for split in whole["splits"].values()) == 9
    os.rename(tmp_path / "out", tmp_path / "whole")
    write, written = records.write_shard, []

    def stopped(path, items):
        written.append(os.path.basename(path))
        if len(written) == stop + 1:

            def some():
                yield next(iter(items))
                raise KeyboardInterrupt

            return write(path, some())
        return write(path, items)

    def stopped_manifest(out, manifest):
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "write_shard", stopped)
    if stop == 9:
        monkeypatch.setattr(manifests, "write_manifest", stopped_manifest)
    with pytest.raises(KeyboardInterrupt):
        run(data, shard_size=6)
    assert not (tmp_path / "out" / "manifest.json").exists()
    monkeypatch.undo()
    again = []
    monkeypatch.setattr(
        records,
        "write_shard",
        lambda path, items: again.append(os.path.basename(path)) or write(path, items),
    )
    manifest, worked, said = run(data, shard_size=6)
    assert worked and len(again) == 9 - stop and not set(again) & set(written[:stop])
    for name in whole["splits"]:
        assert read(tmp_path / "out", name) == read(tmp_path / "whole", name)
        assert manifest["splits"][name]["skipped"] == whole["splits"][name]["skipped"]
    assert sorted(os.listdir(tmp_path / "out")) == sorted(os.listdir(tmp_path / "whole"))


def test_files_of_a_killed_run_are_removed_and_others_stay(data, tmp_path):
    out = tmp_path / "out"
    run(data, ["test"])
    os.remove(out / "test-00000-of-00001.tfrecord")
    for name in (
        "test-00000-of-00001.tfrecord.tmp123",
        "test-00003-of-00009.tfrecord",
        "progress.json.tmp7",
        "notes.txt",
        "test.tfrecord",
    ):
        (out / name).write_bytes(b"x")
    md5 = json.loads((out / "manifest.json").read_text())["sources"]["test/digitStruct.mat"]["md5"]
    for name in (md5, f"{md5}.unfinished", "mine"):
        (out / "unpacked" / name).mkdir(parents=True)
    run(data, ["test"])
    assert sorted(os.listdir(out)) == [
        "manifest.json",
        "notes.txt",
        "test-00000-of-00001.tfrecord",
        "test.tfrecord",
        "unpacked",
    ]
    assert os.listdir(out / "unpacked") == ["mine"]


def test_records_of_another_program_are_refused_and_stay(data, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("train-00001-of-00002.tfrecord", "test-00000-of-00001.tfrecord"):
        (out / name).write_bytes(b"of another program")
    before = stamps(out)
    with pytest.raises(
        DataError,
        match=f"{out}: holds test-00000-of-00001.tfrecord but no manifest.json, .*choose another --out",
    ):
        run(data, ["test"])
    assert stamps(out) == before


@pytest.mark.parametrize("damage", [os.remove, lambda path: os.truncate(path, 100)])
def test_a_lost_shard_is_written_again(data, tmp_path, damage):
    first, _, _ = run(data, shard_size=10)
    lost = first["splits"]["train"]["shards"][1]["file"]
    damage(tmp_path / "out" / lost)
    before = stamps(tmp_path / "out")
    manifest, worked, _ = run(data, shard_size=10)
    assert worked and manifest == first and read(tmp_path / "out", "train")
    changed = {
        name for name, stamp in stamps(tmp_path / "out").items() if stamp != before.get(name)
    }
    assert changed == {lost, "manifest.json"}


@pytest.mark.parametrize("change", [{"seed": 1}, {"shard_size": 5}, {"extra_into_train": True}])
def test_another_conversion_is_not_mixed_in(data, tmp_path, change):
    run(data)
    before = stamps(tmp_path / "out")
    ((name, value),) = change.items()
    with pytest.raises(UsageError, match=f"--{name}={value}: .*choose another --out"):
        run(data, **change)
    assert stamps(tmp_path / "out") == before


def test_other_pictures_are_not_mixed_in(data, tmp_path):
    run(data, ["test"])
    os.remove(tmp_path / "out" / "test-00000-of-00001.tfrecord")
    write_struct(data / "test" / "digitStruct.mat", TEST[:3])
    with pytest.raises(DataError, match="test/digitStruct.mat: md5 .*choose another --out"):
        run(data, ["test"])


def test_pictures_that_came_since_begin_a_split_anew(data, tmp_path):
    os.remove(data / "test" / "2.png")
    run(data, ["test"], shard_size=3)
    Image.new("RGB", (31, 17)).save(data / "test" / "2.png")
    os.remove(tmp_path / "out" / "test-00000-of-00001.tfrecord")
    manifest, _, _ = run(data, ["test"], shard_size=3)
    assert [shard["file"] for shard in manifest["splits"]["test"]["shards"]] == [
        f"test-0000{i}-of-00002.tfrecord" for i in (0, 1)
    ]
    assert len(read(tmp_path / "out", "test")) == 4 and len(os.listdir(tmp_path / "out")) == 3


@pytest.mark.parametrize("name", ["progress.json", "manifest.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b'{"version": 2}', b'{"version": 1, "splits": {}}', b"[" * 100_000,
     b'{"seed": 0, "shard_size": 2048, "extra_into_train": false, "sources": {}, "splits": {"test": {"shards": [7]}}}'],
    ids=range(8),
)  # fmt: skip
def test_a_damaged_state_is_named(data, tmp_path, name, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: damaged.*choose another --out"):
        run(data)


def test_out_must_be_a_folder(data, tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(DataError, match="out: is not a folder; --out"):
        run(data)


def test_a_record_has_the_same_bytes_in_any_process():
    content = records.serialize(
        records.Record("1.png", b"picture", 17, 31, "12", [(1.0, 2.0, 3.0, 4.0)] * 2)
    )
    # The features are a map, which protobuf writes in an order that changes from process to process unless it is told to sort.
    names = sorted(tf.train.Example.FromString(content).features.feature)
    places = [content.index(b"\x0a" + bytes([len(name)]) + name.encode()) for name in names]
    assert len(names) == 7 and places == sorted(places)


@pytest.mark.parametrize("md5", ["../../precious", "", 7, None, "A" * 32])
def test_a_state_that_names_a_folder_elsewhere_is_refused(data, tmp_path, md5):
    """What was unpacked of the sources is removed in the end, by the md5 of each."""
    precious = tmp_path / "precious"
    precious.mkdir()
    run(data, ["test"])
    state = json.loads((tmp_path / "out" / "manifest.json").read_text())
    state["sources"]["other.tar.gz"] = {"md5": md5}
    (tmp_path / "out" / "progress.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match="progress.json: damaged"):
        run(data, ["test"])
    assert precious.is_dir()
