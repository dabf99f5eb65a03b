"""Conversions that are interrupted, repeated, or begun with other options."""

import json
import os

import pytest
from PIL import Image

from mtl.data.records import format as records, manifest as manifests
from mtl.errors import DataError, UsageError
from tests.data.svhn.test_convert import TEST, read, run
from tests.svhn_files import write_struct


def stamps(out):
    return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def test_finished_conversion_does_nothing(data, out, tmp_path):
    manifest, _, _ = run(data)
    before = stamps(out)
    os.rename(data, tmp_path / "moved")  # the images are not needed any more
    assert run(data) == (manifest, False, [])
    assert run(data, ["test"])[1] is False
    assert stamps(out) == before


def test_splits_can_be_added(data, out):
    run(data, ["test"])
    before = stamps(out)
    manifest, worked, _ = run(data, ["train"])
    assert worked
    assert manifest["splits"].keys() == {"train", "validation", "test"}
    assert manifests.read_manifest(str(out)) == manifest
    after = stamps(out)
    assert all(after[name] == before[name] for name in before if name != "manifest.json")


class Interrupting:
    """A write_shard that is interrupted in the middle of shard number `stop`."""

    def __init__(self, stop):
        self._write = records.write_shard
        self._stop = stop
        self.written = []

    def __call__(self, path, items):
        stops_here = len(self.written) == self._stop
        self.written.append(os.path.basename(path))
        return self._write(path, self._first(items) if stops_here else items)

    def _first(self, items):
        yield next(iter(items))
        raise KeyboardInterrupt


def test_unfinished_split_that_is_not_converted_again_is_dropped(data, out):
    complete, _, _ = run(data)
    splits = complete["splits"]
    unfinished = {"shards": [splits["test"]["shards"][0], None]}
    state = {**complete, "splits": {**splits, "test": unfinished}}
    os.rename(out / "manifest.json", out / "progress.json")
    (out / "progress.json").write_text(json.dumps(state))
    manifest, worked, _ = run(data, ["train"])
    assert worked and manifest["splits"].keys() == {"train", "validation"}
    assert not [path for path in out.iterdir() if path.name.startswith("test-")]
    assert run(data)[0]["splits"] == splits


@pytest.mark.parametrize("stop", range(10))
def test_interrupted_conversion_continues(data, out, tmp_path, monkeypatch, stop):
    def interrupted(out, manifest):
        raise KeyboardInterrupt

    (data / "train" / "3.png").write_bytes(b"broken")
    whole, _, _ = run(data, shard_size=6)
    assert sum(len(split["shards"]) for split in whole["splits"].values()) == 9
    os.rename(out, tmp_path / "whole")
    first, second = Interrupting(stop), Interrupting(None)
    monkeypatch.setattr(records, "write_shard", first)
    if stop == 9:  # all shards are written
        monkeypatch.setattr(manifests, "write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(data, shard_size=6)
    assert not (out / "manifest.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(records, "write_shard", second)
    manifest, worked, _ = run(data, shard_size=6)
    assert worked
    assert len(second.written) == 9 - stop
    assert not set(second.written) & set(first.written[:stop])
    for name, split in whole["splits"].items():
        assert read(out, name) == read(tmp_path / "whole", name)
        assert manifest["splits"][name]["skipped"] == split["skipped"]
    assert sorted(os.listdir(out)) == sorted(os.listdir(tmp_path / "whole"))


def test_deletes_files_of_a_killed_run_only(data, out):
    run(data, ["test"])
    os.remove(out / "test-00000-of-00001.tfrecord")
    leftover = [
        "test-00000-of-00001.tfrecord.tmp123",
        "test-00003-of-00009.tfrecord",
        "progress.json.tmp7",
    ]
    kept = ["notes.txt", "test.tfrecord"]
    for name in leftover + kept:
        (out / name).write_bytes(b"x")
    md5 = json.loads((out / "manifest.json").read_text())["sources"]["test/digitStruct.mat"]["md5"]
    for name in (md5, f"{md5}.unfinished", "mine"):
        (out / "unpacked" / name).mkdir(parents=True)
    run(data, ["test"])
    made = ["manifest.json", "test-00000-of-00001.tfrecord", "unpacked"]
    assert sorted(os.listdir(out)) == sorted(kept + made)
    assert os.listdir(out / "unpacked") == ["mine"]


def test_records_of_another_program_are_not_touched(data, out):
    out.mkdir()
    for name in ("train-00001-of-00002.tfrecord", "test-00000-of-00001.tfrecord"):
        (out / name).write_bytes(b"of another program")
    before = stamps(out)
    reason = "holds test-00000-of-00001.tfrecord but no manifest.json, .*choose another --out"
    with pytest.raises(DataError, match=f"{out}: {reason}"):
        run(data, ["test"])
    assert stamps(out) == before


def truncate(path):
    os.truncate(path, 100)


@pytest.mark.parametrize("damage", [os.remove, truncate])
def test_lost_shard_is_written_again(data, out, damage):
    first, _, _ = run(data, shard_size=10)
    lost = first["splits"]["train"]["shards"][1]["file"]
    damage(out / lost)
    before = stamps(out)
    assert run(data, shard_size=10)[:2] == (first, True)
    assert read(out, "train")
    after = stamps(out)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {lost, "manifest.json"}


@pytest.mark.parametrize("change", [{"seed": 1}, {"shard_size": 5}, {"extra_into_train": True}])
def test_other_options_are_refused(data, out, change):
    run(data)
    before = stamps(out)
    ((name, value),) = change.items()
    with pytest.raises(UsageError, match=f"--{name}={value}: .*choose another --out"):
        run(data, **change)
    assert stamps(out) == before


def test_other_labels_are_refused(data, out):
    run(data, ["test"])
    os.remove(out / "test-00000-of-00001.tfrecord")
    write_struct(data / "test" / "digitStruct.mat", TEST[:3])
    with pytest.raises(DataError, match="test/digitStruct.mat: md5 .*choose another --out"):
        run(data, ["test"])


def test_split_is_written_again_if_images_were_added(data, out):
    os.remove(data / "test" / "2.png")
    run(data, ["test"], shard_size=3)
    Image.new("RGB", (31, 17)).save(data / "test" / "2.png")
    os.remove(out / "test-00000-of-00001.tfrecord")
    manifest, _, _ = run(data, ["test"], shard_size=3)
    files = [shard["file"] for shard in manifest["splits"]["test"]["shards"]]
    assert files == ["test-00000-of-00002.tfrecord", "test-00001-of-00002.tfrecord"]
    assert len(read(out, "test")) == 4
    assert sorted(os.listdir(out)) == sorted(["manifest.json", *files])


OPTIONS = {"seed": 0, "shard_size": 2048, "extra_into_train": False}


@pytest.mark.parametrize("name", ["progress.json", "manifest.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"version": 2}',
        b'{"version": 1, "splits": {}}',
        b"[" * 100_000,
        json.dumps({**OPTIONS, "sources": {}, "splits": []}).encode(),
        json.dumps({**OPTIONS, "sources": {}, "splits": {"test": {"shards": [7]}}}).encode(),
    ],
    ids=range(9),
)
def test_damaged_state_is_named(data, out, name, content):
    out.mkdir()
    (out / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: damaged.*choose another --out"):
        run(data)


@pytest.mark.parametrize("md5", ["../../precious", "", 7, None, "A" * 32])
def test_state_cannot_delete_another_folder(data, out, tmp_path, md5):
    # The folders of unpacked archives are named for the md5 of their sources, and deleted.
    (tmp_path / "precious").mkdir()
    run(data, ["test"])
    state = json.loads((out / "manifest.json").read_text())
    state["sources"]["other.tar.gz"] = {"md5": md5}
    (out / "progress.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match="progress.json: damaged"):
        run(data, ["test"])
    assert (tmp_path / "precious").is_dir()
