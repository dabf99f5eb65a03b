"""Records read into memory."""

import io

import numpy as np
import pytest
from PIL import Image

from mtl.data import images
from mtl.data.records import format as records, manifest, reader
from mtl.data.svhn import digit_struct, reader as svhn_reader
from mtl.errors import DataError, NoExamplesError
from tests import record_sets
from tests.data.records.broken import BROKEN
from tests.data.svhn import test_reader as test_svhn


def error_of(directory, split="test"):
    with pytest.raises(DataError) as caught:
        reader.load(str(directory), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_records_of_svhn_are_the_examples_of_svhn(tmp_path):
    test_svhn.make(tmp_path / "svhn" / "test")
    wanted = svhn_reader.load(str(tmp_path / "svhn"), "test")
    made = []
    for entry in digit_struct.entries(str(tmp_path / "svhn" / "test" / "digitStruct.mat")):
        encoded = (tmp_path / "svhn" / "test" / entry.name).read_bytes()
        width, height = Image.open(io.BytesIO(encoded)).size
        made.append(records.Record(entry.name, encoded, height, width, entry.number, entry.boxes))
    record_sets.write(tmp_path, test=[made[:2], [], made[2:]])
    for count in (None, 5, 4, 1, 9):
        got = reader.load(str(tmp_path), "test", count=count)
        np.testing.assert_array_equal(got.inputs, wanted.inputs[:count])
        assert got.inputs.dtype == np.uint8
        assert (got.numbers, got.names) == (wanted.numbers[:count], wanted.names[:count])


def test_window_of_a_record_without_boxes_is_the_whole_image():
    (record,) = record_sets.some(["12"])
    image = Image.open(io.BytesIO(record.encoded))
    whole = reader.window(record._replace(boxes=[]))
    np.testing.assert_array_equal(whole, images.window(image))
    assert (reader.window(record) != whole).any()


def test_missing_and_empty_splits_are_errors(tmp_path):
    record_sets.write(tmp_path, train=[record_sets.some(["1", "2"])], test=[[]])
    wanted = "manifest.json: no split 'extra', found train, test; choose"
    assert wanted in error_of(tmp_path, "extra")
    for split in ("validation", "test"):
        wanted = f"manifest.json: no records in the split {split}; "
        with pytest.raises(NoExamplesError, match=wanted):
            reader.load(str(tmp_path), split)
    record_sets.write(tmp_path)
    assert "found none" in error_of(tmp_path, "train")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_record_is_named(tmp_path, name):
    serialized, reason = BROKEN[name]
    good = record_sets.some(["5", "67", "8"])
    record_sets.write(tmp_path, test=[good, [*good[:2], serialized, good[2]]])
    message = error_of(tmp_path)
    assert message.startswith(f"{tmp_path / 'test-00001-of-00002.tfrecord'}: record 2: ")
    assert reason in message
    assert message.endswith("; delete the shard and repeat mtl convert")


@pytest.mark.parametrize(
    "claimed, reason",
    [(2, "more than the 2 records in manifest.json"), (4, "3 records, but 4 in manifest.json")],
)
def test_number_of_records_must_be_the_manifests(tmp_path, claimed, reason):
    written = record_sets.write(tmp_path, test=[record_sets.some(["5", "67", "8"])])
    split = written["splits"]["test"]
    split["records"] = split["shards"][0]["records"] = claimed
    manifest.write_manifest(str(tmp_path), written)
    shard = tmp_path / "test-00000-of-00001.tfrecord"
    assert error_of(tmp_path) == f"{shard}: {reason}; delete it and repeat mtl convert"
