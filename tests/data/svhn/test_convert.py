"""Converting folders in SVHN's layout: the records and the skipped images.

test_state.py interrupts and repeats conversions.
"""

import hashlib
import json
import os
import struct
import zlib
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.data.records import format as records, manifest as manifests, reader as records_reader
from mtl.data.svhn import archives, convert, reader
from mtl.data.svhn.checksums import OFFICIAL
from mtl.errors import DataError
from tests.svhn_files import boxes, draw

TRAIN = [(f"{i}.png", boxes(str(7 * i))) for i in range(1, 41)]
TEST = [
    ("1.png", boxes("7")),
    ("2.png", boxes("210")),
    ("3.png", []),
    ("4.png", [(10, -2, -3, 20, 50)]),
]
NAMES = [name for name, _ in TRAIN]


def held_out(names, seed=0):
    return {name for name in names if zlib.crc32(name.encode(), seed) % 10 == 0}


def run(data, splits=("train", "test"), **options):
    """Convert into the folder `out` beside `data`; return (manifest, worked, lines reported)."""
    said = []

    def prepare(split, folder):
        return archives.prepare(
            str(data), split, folder, OFFICIAL, None, lambda line: None, lambda *done: None
        )

    out = str(data.parent / "out")
    manifest, worked = convert.convert(out, list(splits), prepare, say=said.append, **options)
    return manifest, worked, said


class Read(NamedTuple):
    """A record on disk."""

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
        [tuple(sides[i : i + 4]) for i in range(0, len(sides), 4)],
    )


def read(out, split):
    """Read the records of a split without the code under test, and check the manifest."""
    found = []
    for shard in json.loads((out / "manifest.json").read_text())["splits"][split]["shards"]:
        content = (out / shard["file"]).read_bytes()
        position, before = 0, len(found)
        while position < len(content):
            # A TFRecord file has a length, 4 bytes, the record and 4 bytes for each record.
            (length,) = struct.unpack_from("<Q", content, position)
            found.append(parse(content[position + 12 : position + 12 + length]))
            position += 16 + length
        assert len(found) - before == shard["records"]
        assert len(content) == shard["bytes"]
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
    return found


def names(out, split):
    return [record.name for record in read(out, split)]


def test_converts_all_labelled_images(data, out):
    manifest, worked, said = run(data, shard_size=7)
    assert worked
    assert said == []
    assert 0 < len(held_out(NAMES)) < 10
    assert set(names(out, "validation")) == held_out(NAMES)
    assert set(names(out, "train")) == set(NAMES) - held_out(NAMES)
    assert set(names(out, "test")) == {name for name, _ in TEST}
    shards = {name: split["shards"] for name, split in manifest["splits"].items()}
    assert len(shards["train"]) == -(-(40 - len(held_out(NAMES))) // 7)
    files = [shard["file"] for split in shards.values() for shard in split]
    assert sorted(os.listdir(out)) == sorted(["manifest.json", *files])


def test_reports_its_progress_after_each_image(data, out):
    reported = []
    run(data, ["train"], shard_size=7, progress=lambda *done: reported.append(done))
    total = 40 - len(held_out(NAMES))
    found = [done for what, done, count in reported if (what, count) == ("converting train", total)]
    assert sorted(set(found)) == list(range(total + 1))
    assert found == sorted(found)


@pytest.mark.parametrize(
    "split, folder, entries",
    [("train", "train", TRAIN), ("validation", "train", TRAIN), ("test", "test", TEST)],
)
def test_record_has_file_size_number_and_boxes(data, out, split, folder, entries):
    run(data)
    for record in read(out, split):
        described = dict(entries)[record.name]
        assert record.encoded == (data / folder / record.name).read_bytes()
        assert (record.height, record.width) == (17, 31)
        assert record.number == "".join(str(box[0] % 10) for box in described)
        assert record.boxes == [
            (x, y, x + width, y + height) for _, x, y, width, height in described
        ]


def test_record_has_the_same_bytes_in_any_process():
    record = records.Record("1.png", b"image", 17, 31, "12", [(1.0, 2.0, 3.0, 4.0)] * 2)
    content = records.serialize(record)
    # The features are a map. Unless told to sort it, protobuf writes it in a random order.
    keys = sorted(tf.train.Example.FromString(content).features.feature)
    positions = [content.index(b"\x0a" + bytes([len(key)]) + key.encode()) for key in keys]
    assert len(keys) == 7
    assert positions == sorted(positions)


def test_manifest_describes_the_data(data, out):
    manifest, _, _ = run(data, seed=3)
    assert manifests.read_manifest(str(out)) == manifest
    assert manifest["version"] == 1
    assert manifest["window"] == "boxes grown to 1.3 times"
    assert manifest["seed"] == 3
    validation = len(held_out(NAMES, 3))
    counts = {name: split["records"] for name, split in manifest["splits"].items()}
    assert counts == {"train": 40 - validation, "validation": validation, "test": 4}
    content = (data / "train" / "digitStruct.mat").read_bytes()
    facts = {"md5": hashlib.md5(content).hexdigest(), "bytes": len(content), "url": ""}
    assert manifest["sources"].keys() == {"train/digitStruct.mat", "test/digitStruct.mat"}
    assert manifest["sources"]["train/digitStruct.mat"] == facts


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_records_are_loaded_like_the_folder(data, out, split):
    run(data)
    folder = reader.load(str(data), split)
    found = records_reader.load(str(out), split)
    assert sorted(found.names) == sorted(folder.names)
    order = [found.names.index(name) for name in folder.names]
    assert [found.numbers[i] for i in order] == folder.numbers
    np.testing.assert_array_equal(found.inputs[order], folder.inputs)


def test_seed_decides_order_and_validation(data, out, tmp_path):
    orders = []
    for seed in (0, 5):
        run(data, seed=seed)
        assert set(names(out, "validation")) == held_out(NAMES, seed)
        orders.append(names(out, "train"))
        os.rename(out, tmp_path / f"out{seed}")
    assert held_out(NAMES, 0) != held_out(NAMES, 5)
    assert orders[0] != orders[1]
    # Without shuffling, nearly all of the 35 pairs of neighbours would be close in the source.
    positions = [NAMES.index(name) for name in orders[0]]
    assert sum(abs(a - b) < 3 for a, b in zip(positions, positions[1:])) < 12


def test_extra_can_be_mixed_into_train(data, out):
    extra = [f"extra/{name}" for name in NAMES[:20]]
    draw(data / "extra", TRAIN[:20], seed=2)
    manifest, _, _ = run(data, ["train", "test", "extra"], extra_into_train=True)
    assert manifest["splits"].keys() == {"train", "validation", "test"}
    train, validation = names(out, "train"), names(out, "validation")
    assert set(train + validation) == {*NAMES, *extra}
    assert set(validation) == held_out([*NAMES, *extra])
    is_extra = [name.startswith("extra/") for name in train]
    assert True in is_extra[:12] and False in is_extra[-12:]
    for record in read(out, "train"):
        folder = data if record.name.startswith("extra/") else data / "train"
        assert record.encoded == (folder / record.name).read_bytes()


# -- skipped images ------------------------------------------------------------------------------


def test_skipped_images_are_counted_in_their_split(data):
    validation = sorted(held_out(NAMES), key=NAMES.index)
    train = [name for name in NAMES if name not in validation]
    for name in (validation[0], *train[:2]):
        os.remove(data / "train" / name)
    manifest, _, said = run(data, ["train"])
    assert manifest["splits"]["train"]["skipped"] == {"missing images": 2}
    assert manifest["splits"]["validation"]["skipped"] == {"missing images": 1}
    assert said == [
        f"train: 2 skipped: missing images, the first: {train[0]}",
        f"validation: 1 skipped: missing images, the first: {validation[0]}",
    ]


def test_no_usable_image_is_an_error(data, out):
    for name, _ in TEST:
        os.remove(data / "test" / name)
    with pytest.raises(DataError, match="test/digitStruct.mat: no image can be used for test"):
        run(data, ["test"])
    assert not (out / "manifest.json").exists()


def test_validation_may_be_empty(tmp_path):
    draw(tmp_path / "data" / "train", [("1.png", boxes("12"))])
    assert not held_out(["1.png"])
    manifest, _, said = run(tmp_path / "data", ["train"])
    assert manifest["splits"]["validation"] == {"records": 0, "shards": [], "skipped": {}}
    assert len(said) == 1
    assert "validation: empty" in said[0]


def test_out_must_be_a_folder(data, out):
    out.write_bytes(b"")
    with pytest.raises(DataError, match="out: .*--out"):
        run(data)
