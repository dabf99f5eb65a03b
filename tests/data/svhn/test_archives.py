"""Where the images of a split come from: a folder, an archive, or a download."""

import hashlib
import os

import pytest

from mtl.data.svhn import archives
from mtl.data.svhn.checksums import OFFICIAL, Checksum
from mtl.errors import DataError
from tests.data.svhn.test_unpack import GOOD, members, tar
from tests.served import serve

CONTENT = tar(members(GOOD))
EXPECTED = Checksum(hashlib.md5(CONTENT).hexdigest(), len(CONTENT))
TABLE = {"train.tar.gz": EXPECTED}


def prepare(tmp_path, table=TABLE, url=None):
    """Return the result of archives.prepare, and the lines it reported."""
    said = []
    source, work = str(tmp_path / "in"), str(tmp_path / "work")
    got = archives.prepare(source, "train", work, table, url, said.append, lambda *done: None)
    return got, said


def error_of(tmp_path, table=TABLE, url=None):
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, table, url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "train.tar.gz"
    path.write_bytes(CONTENT)
    return path


def test_verifies_and_unpacks_once(tmp_path, archive):
    (directory, name, source), said = prepare(tmp_path)
    assert sorted(os.listdir(directory)) == sorted(os.path.basename(name) for name in GOOD)
    assert name == "train.tar.gz"
    assert source == {"md5": EXPECTED.md5, "bytes": len(CONTENT), "url": ""}
    assert said == []
    os.remove(archive)
    os.remove(os.path.join(directory, "1.png"))
    assert prepare(tmp_path)[0] == (directory, name, source)
    assert not os.path.exists(os.path.join(directory, "1.png"))


@pytest.mark.parametrize(
    "table, named",
    [
        (OFFICIAL, f"incomplete: {len(CONTENT)} bytes instead of 404141560"),
        ({"train.tar.gz": EXPECTED._replace(bytes=len(CONTENT) - 1)}, "another file"),
        ({"train.tar.gz": EXPECTED._replace(md5="0" * 32)}, f"md5 {EXPECTED.md5} instead of 0000"),
    ],
    # The content has the time of its files, so an id with its md5 would differ between processes.
    ids=["incomplete", "another size", "another md5"],
)
def test_rejects_another_archive(tmp_path, archive, table, named):
    message = error_of(tmp_path, table)
    assert named in message
    assert "--download" in message and "--checksums" in message
    assert os.listdir(tmp_path) == ["in"]


def test_rejects_an_archive_without_checksum(tmp_path, archive):
    assert "no line for train.tar.gz in --checksums" in error_of(tmp_path, {})


def test_archive_that_cannot_be_unpacked_leaves_no_folder(tmp_path, archive):
    without_labels = tar(members({"train/1.png": b"x"}))
    archive.write_bytes(without_labels)
    checksum = Checksum(hashlib.md5(without_labels).hexdigest(), len(without_labels))
    assert "train/digitStruct.mat is missing" in error_of(tmp_path, {"train.tar.gz": checksum})
    assert os.listdir(tmp_path) == ["in"]


def test_missing_archive_names_the_cure(tmp_path):
    assert "add --download" in error_of(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.tar.gz.part").write_bytes(b"half")
    assert "only 4 of its bytes" in error_of(tmp_path)


def test_downloads_a_missing_archive_once(tmp_path):
    with serve({"train.tar.gz": CONTENT}) as server:
        for url in (server.url, server.url.rstrip("/")):
            (directory, _, source), _ = prepare(tmp_path, url=url)
            assert source["url"] == server.url + "train.tar.gz"
            assert os.path.exists(os.path.join(directory, "1.png"))
        assert len(server.asked) == 1
    assert (tmp_path / "in" / "train.tar.gz").read_bytes() == CONTENT


def test_uses_an_unpacked_folder_without_archive(tmp_path):
    (tmp_path / "in" / "train").mkdir(parents=True)
    (tmp_path / "in" / "train" / "digitStruct.mat").write_bytes(b"labels")
    (directory, name, source), said = prepare(tmp_path, OFFICIAL, "http://127.0.0.1:9/")
    assert directory == str(tmp_path / "in" / "train")
    assert name == "train/digitStruct.mat"
    assert source == {"md5": hashlib.md5(b"labels").hexdigest(), "bytes": 6, "url": ""}
    assert said == [f"{directory}: using the folder; no train.tar.gz found beside it"]
    (tmp_path / "in" / "train.tar.gz").write_bytes(b"x")
    assert "train.tar.gz" in error_of(tmp_path, OFFICIAL)
