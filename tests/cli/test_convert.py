"""`mtl convert`: from archives on a server to records that can be trained on."""

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

from mtl import tasks
from mtl.data import npz
from mtl.data.records import manifest, reader as records
from mtl.data.svhn import checksums, convert, download, reader
from tests.served import serve
from tests.svhn_files import boxes, draw


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with train/, test/, archives/SPLIT.tar.gz and sums, their checksums."""
    root = tmp_path_factory.mktemp("made")
    draw(root / "train", [(f"{i}.png", boxes(str(i))) for i in range(1, 31)])
    test = [(f"{i}.png", boxes(str(7 * i))) for i in range(1, 6)]
    draw(root / "test", [*test, ("6.png", [(11, 1, 1, 5, 9)])], seed=1)
    (root / "archives").mkdir()
    lines = []
    for split in ("train", "test"):
        (root / split / "see_bboxes.m").write_text("% MATLAB")
        path = root / "archives" / f"{split}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(root / split, split)
        content = path.read_bytes()
        lines.append(f"{hashlib.md5(content).hexdigest()}  {len(content)}  {path.name}\n")
    (root / "sums").write_text("".join(lines))
    return root


def counts(out):
    """Parse the lines of a conversion, dict split -> (records, skipped)."""
    found = {}
    for line in out.splitlines():
        name, *numbers = line.split()
        assert numbers[1::2] == ["records", "shards", "bytes", "skipped"]
        found[name] = (int(numbers[0]), int(numbers[6]))
    return found


def assert_same_examples(made, out, split):
    """Assert that records hold the examples of the folder, in any order."""
    folder = reader.load(str(made), split)
    shuffled = records.load(str(out), split)
    order = [shuffled.names.index(name) for name in folder.names]
    assert len(order) == len(shuffled.names)
    assert [shuffled.numbers[i] for i in order] == folder.numbers
    np.testing.assert_array_equal(shuffled.inputs[order], folder.inputs)


def test_archives_are_downloaded_and_converted(command, made, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0,) * 4)
    out = tmp_path / "out"
    flags = [f"--archive_dir={tmp_path / 'in'}", f"--out={out}", f"--checksums={made / 'sums'}"]
    flags += ["--shard_size=9", "--download"]
    with serve({path.name: path.read_bytes() for path in (made / "archives").iterdir()}) as server:
        server.cut = 9000
        code, stdout, err = command("convert", *flags, f"--url={server.url}")
        assert code == 0, err
        assert ("train.tar.gz", "bytes=9000-") in server.asked
    found = counts(stdout)
    assert list(found) == ["train", "validation", "test"]
    assert found["test"] == (5, 1) and found["train"][0] + found["validation"][0] == 30
    last = err.splitlines()[-1]
    assert last.startswith("test: 1 skipped: ") and "entry 6 (6.png)" in last
    assert sorted(os.listdir(tmp_path / "in")) == ["test.tar.gz", "train.tar.gz"]
    assert "unpacked" not in os.listdir(out)
    assert_same_examples(made, out, "train")
    assert_same_examples(made, out, "validation")
    source = manifest.read_manifest(str(out))["sources"]["train.tar.gz"]
    assert source["url"].endswith("/train.tar.gz")
    assert source["bytes"] == os.path.getsize(made / "archives" / "train.tar.gz")
    # A finished conversion does nothing and downloads nothing: the server is gone.
    assert command("convert", *flags) == (0, f"{out}: nothing to do\n{stdout}", "")


def test_folder_without_an_archive_is_converted(command, made, tmp_path):
    flags = [f"--archive_dir={made}", f"--out={tmp_path / 'out'}", "--splits=test"]
    code, out, err = command("convert", *flags)
    assert code == 0 and counts(out) == {"test": (5, 1)}
    used, skipped = err.splitlines()
    assert used.startswith(f"{made / 'test'}: ") and skipped.startswith("test: 1 skipped")


def test_default_shard_size_is_that_of_the_library(command):
    _, out, _ = command("convert", "--help")
    assert f"(default {convert.SHARD_SIZE}; " in out


def test_unknown_archives_are_refused(refused, made, tmp_path):
    line = refused(2, "convert", f"--archive_dir={made / 'archives'}", f"--out={tmp_path / 'out'}")
    assert "train.tar.gz: " in line and "--checksums" in line
    assert str(checksums.OFFICIAL["train.tar.gz"].bytes) in line
    flags = [f"--archive_dir={tmp_path}", f"--out={tmp_path / 'out'}"]
    assert "--download" in refused(2, "convert", *flags)
    assert "nowhere" in refused(2, "convert", *flags, f"--checksums={tmp_path / 'nowhere'}")
    assert not (tmp_path / "out").exists()


PLACES = ["--archive_dir=a", "--out=o"]
OWN = ["--dataset=npz", "--data_dir=d", "--out=o"]


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--out=o"], "--archive_dir is required"),
        (["--archive_dir=a"], "--out is required"),
        ([*PLACES, "--splits=train,validation"], "--splits=train,validation"),
        ([*PLACES, "--splits="], "--splits="),
        ([*PLACES, "--splits=test,test"], "each once"),
        ([*PLACES, "--extra_into_train"], "--splits=train,extra"),
        ([*PLACES, "--splits=test,extra", "--extra_into_train"], "--extra_into_train"),
        ([*PLACES, "--url=http://x/"], "--download"),
        ([*PLACES, "--url=ftp://x/", "--download"], "http://"),
        ([*PLACES, "--seed=-1"], "--seed=-1"),
        ([*PLACES, "--shard_size=0"], "shard_size"),
        ([*PLACES, "train.tar.gz"], "'train.tar.gz'"),
        ([*PLACES, "--dataset=npz"], "--archive_dir and --dataset are two sources; choose one"),
        ([*PLACES, "--tasks=kind:3"], "--tasks applies only to --dataset; remove it"),
        ([*OWN, "--dataset=svhn"], "--dataset=svhn: value should be one of <folder|npz>"),
        ([*OWN, "--download"], "--download applies only to --archive_dir; remove it"),
        ([*OWN, "--splits=test"], "--splits must contain train"),
        ([*OWN, "--tasks=kind"], "task 'kind' has no kind or number of classes"),
        (["--dataset=npz", "--out=o"], "--data_dir is required with --dataset=npz"),
    ],
)
def test_bad_flag_is_named(refused, flags, named):
    assert named in refused(1, "convert", *flags)


def test_only_check_args_reads_no_file(command):
    flags = ["--archive_dir=nowhere", "--out=nowhere", "--checksums=nowhere", "--download"]
    flags += ["--splits=extra,train", "--extra_into_train"]
    assert command("convert", *flags, "--only_check_args") == (0, "", "")


def test_other_flags_do_not_continue_a_conversion(command, refused, made, tmp_path):
    flags = [f"--archive_dir={made}", f"--out={tmp_path / 'out'}", "--splits=test"]
    assert command("convert", *flags)[0] == 0
    assert "--seed=3: " in refused(1, "convert", *flags, "--seed=3")
    assert "--shard_size=4: " in refused(1, "convert", *flags, "--shard_size=4")


@pytest.mark.slow
def test_signal_ends_with_one_line_and_the_download_continues(command, made, tmp_path):
    content = (made / "archives" / "test.tar.gz").read_bytes()
    part = tmp_path / "in" / "test.tar.gz.part"
    flags = [f"--archive_dir={part.parent}", f"--out={tmp_path / 'out'}", "--splits=test"]
    flags += [f"--checksums={made / 'sums'}", "--download"]
    with serve({"test.tar.gz": content}) as server:
        flags.append(f"--url={server.url}")
        server.cut = 1000  # after a cut the download pauses for a second
        process = subprocess.Popen(
            [sys.executable, "-m", "mtl", "convert", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not part.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (143, "")
        assert err.splitlines()[-1] == "mtl convert: interrupted"
        server.cut = None
        size = part.stat().st_size
        code, out, err = command("convert", *flags)
        assert code == 0 and counts(out) == {"test": (5, 1)}, err
        assert 0 < size < len(content)
        assert server.asked[-1] == ("test.tar.gz", f"bytes={size}-")


# -- own tasks -------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """A folder of npz files with two tasks: 30 images in train, 4 in test."""
    rng = np.random.default_rng(2)
    for split, count in (("train", 30), ("test", 4)):
        np.savez(
            tmp_path / f"{split}.npz",
            images=rng.integers(0, 256, (count, 9, 11), np.uint8),
            kind=rng.integers(-1, 3, count),
            size=rng.normal(5.0, 2.0, count),
        )
    return tmp_path


def test_own_images_become_records(command, own):
    data = ["--dataset=npz", f"--data_dir={own}", "--tasks=kind:3,size:real"]
    out = own / "out"
    code, stdout, err = command("convert", *data, f"--out={out}", "--shard_size=9")
    assert (code, err) == (0, "")
    found = counts(stdout)
    assert list(found) == ["train", "validation", "test"] and found["test"] == (4, 0)
    assert found["train"][0] + found["validation"][0] == 30
    wanted = tasks.parse("kind:3,size:real")
    for split in found:
        whole = npz.load(str(own), split, tasks=wanted)
        got = records.load(str(out), split, tasks=wanted)
        order = [whole.names.index(name) for name in got.names]
        np.testing.assert_array_equal(got.inputs, whole.inputs[order])
        np.testing.assert_array_equal(got.labels["kind"], whole.labels["kind"][order])


def test_only_existing_splits_of_own_images_are_converted(command, refused, own):
    (own / "test.npz").unlink()
    data = ["--dataset=npz", f"--data_dir={own}", "--tasks=kind:3", "--window=16"]
    code, stdout, _ = command("convert", *data, f"--out={own / 'out'}")
    assert code == 0 and list(counts(stdout)) == ["train", "validation"]
    assert manifest.read_manifest(str(own / "out"))["shape"] == [16, 16, 1]
    named = refused(2, "convert", *data, "--splits=train,test", f"--out={own / 'other'}")
    assert "no split 'test.npz', found train" in named
    assert "has records already" in refused(2, "convert", *data, f"--out={own / 'out'}")
