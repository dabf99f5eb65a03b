"""`mtl convert`: from archives on a server to records that train."""

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

from mtl.data.records import manifest, reader as records_reader
from mtl.data.svhn import archives, convert, download, reader
from tests.served import serve
from tests.svhn_files import boxes, draw


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with train/, test/, archives/SPLIT.tar.gz in the real layout, and the table of their checksums."""
    root = tmp_path_factory.mktemp("made")
    draw(root / "train", [(f"{i}.png", boxes(str(i))) for i in range(1, 31)])
    draw(
        root / "test",
        [(f"{i}.png", boxes(str(7 * i))) for i in range(1, 6)] + [("6.png", [(11, 1, 1, 5, 9)])],
        seed=1,
    )
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


def lines_of(out, names):
    """Check the result lines of a conversion: one a split, in order; returns name -> (records, skipped)."""
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == names and all(
        row[2::2] == ["records", "shards", "bytes", "skipped"] for row in rows
    )
    return {row[0]: (int(row[1]), int(row[7])) for row in rows}


def test_archives_are_fetched_and_converted(command, made, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0,) * 4)
    flags = [
        f"--archive_dir={tmp_path / 'in'}",
        f"--out={tmp_path / 'out'}",
        f"--checksums={made / 'sums'}",
        "--shard_size=9",
    ]
    with serve({path.name: path.read_bytes() for path in (made / "archives").iterdir()}) as server:
        server.cut = 9000
        code, out, err = command("convert", *flags, "--download", f"--url={server.url}")
        assert code == 0, err
        assert ("train.tar.gz", "bytes=9000-") in server.asked
    found = lines_of(out, ["train", "validation", "test"])
    assert found["test"] == (5, 1) and found["train"][0] + found["validation"][0] == 30
    assert "the connection was cut" in err
    assert err.splitlines()[-1].startswith(
        "test: 1 skipped: labels beyond 1 to 10, the first: entry 6 (6.png): the label 11 is none"
    )
    assert sorted(os.listdir(tmp_path / "in")) == [
        "test.tar.gz",
        "train.tar.gz",
    ] and "unpacked" not in os.listdir(tmp_path / "out")
    for split in ("train", "validation"):
        of_folder, of_records = (
            reader.load(str(made), split),
            records_reader.load(str(tmp_path / "out"), split),
        )
        order = [of_records.names.index(name) for name in of_folder.names]
        assert [of_records.numbers[i] for i in order] == of_folder.numbers and len(order) == len(
            of_records.names
        )
        np.testing.assert_array_equal(of_records.images[order], of_folder.images)
    told = manifest.read_manifest(str(tmp_path / "out"))["sources"]["train.tar.gz"]
    assert told["url"].endswith("/train.tar.gz") and told["bytes"] == os.path.getsize(
        made / "archives" / "train.tar.gz"
    )
    # Done: nothing is asked of anybody.
    code, again, err = command("convert", *flags, "--download")
    assert (code, err) == (0, "") and again == f"{tmp_path / 'out'}: nothing to do\n{out}"


def test_a_folder_is_converted_as_it_is(command, made, tmp_path):
    code, out, err = command(
        "convert", f"--archive_dir={made}", f"--out={tmp_path / 'out'}", "--splits=test"
    )
    assert code == 0 and lines_of(out, ["test"]) == {"test": (5, 1)}
    assert (
        err.splitlines()[0]
        == f"{made / 'test'}: taken as it is, for there is no test.tar.gz beside it"
    )
    assert len(err.splitlines()) == 2


def test_the_defaults_are_those_of_the_library(command):
    _, out, _ = command("convert", "--help")
    assert f"default '{convert.SHARD_SIZE}'" in out


def test_archives_that_are_not_svhns_are_refused(refused, made, tmp_path):
    line = refused(2, "convert", f"--archive_dir={made / 'archives'}", f"--out={tmp_path / 'out'}")
    assert (
        "train.tar.gz: cut short" in line
        and str(archives.OFFICIAL["train.tar.gz"].bytes) in line
        and "--checksums" in line
    )
    assert "add --download" in refused(
        2, "convert", f"--archive_dir={tmp_path}", f"--out={tmp_path / 'out'}"
    )
    flags = [
        f"--archive_dir={tmp_path}",
        f"--out={tmp_path / 'out'}",
        f"--checksums={tmp_path / 'nowhere'}",
    ]
    assert "nowhere" in refused(2, "convert", *flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--out=o"], "--archive_dir is required"),
        (["--archive_dir=a"], "--out is required"),
        (["--archive_dir=a", "--out=o", "--splits=train,validation"], "--splits=train,validation"),
        (["--archive_dir=a", "--out=o", "--splits="], "--splits="),
        (["--archive_dir=a", "--out=o", "--splits=test,test"], "each once"),
        (["--archive_dir=a", "--out=o", "--extra_into_train"], "--splits=train,extra"),
        (
            ["--archive_dir=a", "--out=o", "--splits=test,extra", "--extra_into_train"],
            "--extra_into_train",
        ),
        (["--archive_dir=a", "--out=o", "--url=http://x/"], "--download"),
        (["--archive_dir=a", "--out=o", "--url=ftp://x/", "--download"], "http://"),
        (["--archive_dir=a", "--out=o", "--seed=-1"], "seed"),
        (["--archive_dir=a", "--out=o", "--shard_size=0"], "shard_size"),
        (["--archive_dir=a", "--out=o", "train.tar.gz"], "'train.tar.gz'"),
    ],
)
def test_a_bad_flag_is_named(refused, flags, named):
    assert named in refused(1, "convert", *flags)


def test_good_flags_are_good_without_any_file(command):
    flags = [
        "--archive_dir=nowhere",
        "--out=nowhere",
        "--splits=extra,train",
        "--extra_into_train",
        "--download",
        "--checksums=nowhere",
    ]
    assert command("convert", *flags, "--only_check_args") == (0, "", "")


def test_other_flags_than_those_it_was_begun_with_are_refused(command, refused, made, tmp_path):
    flags = [f"--archive_dir={made}", f"--out={tmp_path / 'out'}", "--splits=test"]
    assert command("convert", *flags)[0] == 0
    assert "--seed=3: " in refused(1, "convert", *flags, "--seed=3")
    assert "--shard_size=4: " in refused(1, "convert", *flags, "--shard_size=4")


def test_a_signal_costs_one_line_and_the_next_run_goes_on(command, made, tmp_path):
    content = (made / "archives" / "test.tar.gz").read_bytes()
    flags = [
        f"--archive_dir={tmp_path / 'in'}",
        f"--out={tmp_path / 'out'}",
        f"--checksums={made / 'sums'}",
        "--splits=test",
        "--download",
    ]
    with serve({"test.tar.gz": content}) as server:
        server.cut = 1000  # so that it pauses, and is asked again after a second
        arguments = [sys.executable, "-m", "mtl", "convert", *flags, f"--url={server.url}"]
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while not (tmp_path / "in" / "test.tar.gz.part").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (143, "") and err.splitlines()[
            -1
        ] == "mtl convert: interrupted"
        server.cut, here = None, (tmp_path / "in" / "test.tar.gz.part").stat().st_size
        code, out, err = command("convert", *flags, f"--url={server.url}")
        assert code == 0 and lines_of(out, ["test"]) == {"test": (5, 1)}, err
        assert 0 < here < len(content) and server.asked[-1] == ("test.tar.gz", f"bytes={here}-")
