"""Downloads from a server on this machine that misbehaves on demand."""

import hashlib
import shutil
import time
import types

import numpy as np
import pytest

from mtl.data.svhn import download
from mtl.errors import DataError
from tests.served import serve

CONTENT = np.random.default_rng(1).bytes(300_007)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def server():
    with serve({"a.bin": CONTENT}) as served:
        yield served


def differs(path):
    with open(path, "rb") as file:
        return (
            ""
            if hashlib.sha256(file.read()).digest() == hashlib.sha256(CONTENT).digest()
            else "the sum is wrong"
        )


SIZE = len(CONTENT)


def fetch(server, path, size=SIZE, name="a.bin"):
    said, progress = [], []
    download.fetch(
        server.url + name,
        str(path),
        size,
        differs,
        said.append,
        lambda *done: progress.append(done),
    )
    return said, progress


def error_of(server, path, **options):
    with pytest.raises(DataError) as caught:
        fetch(server, path, **options)
    assert "\n" not in str(caught.value) and server.url in str(caught.value)
    return str(caught.value)


def test_a_file_is_fetched_whole(server, tmp_path):
    said, progress = fetch(server, tmp_path / "new" / "a.bin")
    assert (tmp_path / "new" / "a.bin").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]
    assert said == [] and progress[-1] == ("fetching a.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)


def test_what_an_earlier_run_fetched_is_not_fetched_again(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:123_456])
    fetch(server, tmp_path / "a.bin")
    assert server.asked == [("a.bin", "bytes=123456-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_whole_part_is_only_looked_at(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "a.bin")
    assert server.asked == [] and (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_connection_that_is_cut_goes_on(server, tmp_path):
    server.cut = 100_000
    said, _ = fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == [("a.bin", None), *(("a.bin", f"bytes={k}00000-") for k in (1, 2, 3))]
    assert len(said) == 3 and "100000 of 300007 bytes" in said[0]


def test_a_server_without_range_begins_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "a.bin.part").write_bytes(b"x" * 5000)
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == [("a.bin", "bytes=5000-")]


def test_a_server_without_range_that_is_always_cut_is_given_up(server, tmp_path):
    server.ranges, server.cut = False, 1000
    assert "1000 of 300007 bytes after 4 vain tries" in error_of(server, tmp_path / "a.bin")
    assert len(server.asked) == 5
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:1000]  # where the next run goes on
    server.ranges, server.cut = True, None
    fetch(server, tmp_path / "a.bin")
    assert (
        server.asked[-1] == ("a.bin", "bytes=1000-")
        and (tmp_path / "a.bin").read_bytes() == CONTENT
    )


def test_busy_servers_are_asked_again(server, tmp_path):
    server.codes = [503, 429, 500]
    said, _ = fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT and len(server.asked) == 4
    assert "503" in said[0] and "429" in said[1]


def test_what_is_not_there_is_asked_for_once(server, tmp_path):
    assert "404" in error_of(server, tmp_path / "b.bin", name="b.bin")
    assert len(server.asked) == 1 and list(tmp_path.iterdir()) == []


def test_another_file_is_known_by_its_length_before_it_is_fetched(server, tmp_path):
    message = error_of(server, tmp_path / "a.bin", size=299_999)
    assert "300007" in message and "299999" in message and "--checksums" in message
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:7])
    assert "bytes 7-300006/300007" in error_of(server, tmp_path / "a.bin", size=299_999)


def test_no_more_than_the_size_is_written_whatever_comes(server, tmp_path):
    server.length = False
    server.files["a.bin"] = CONTENT + bytes(10**6)
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_wrong_content_is_deleted_and_named(server, tmp_path):
    server.files["a.bin"] = bytes(len(CONTENT))
    assert "the sum is wrong" in error_of(server, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 9)])
def test_a_part_of_another_file_is_begun_anew(server, tmp_path, part):
    (tmp_path / "a.bin.part").write_bytes(part)
    said, _ = fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(said) == (1 if len(part) <= len(CONTENT) else 0)


def test_a_part_longer_than_the_servers_file_is_begun_anew(server, tmp_path):
    server.files["a.bin"] = CONTENT[:1000]
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:2000])
    assert "1000 bytes" not in error_of(
        server, tmp_path / "a.bin"
    )  # 416, then a file of another length
    server.files["a.bin"] = CONTENT
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_nobody_there(tmp_path):
    with serve({}) as server:
        pass
    assert "vain tries" in error_of(server, tmp_path / "a.bin")


def test_a_server_that_is_silent_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)

    class Slow(dict):
        def __getitem__(self, name):
            time.sleep(0.3)
            return super().__getitem__(name)

    server.files = Slow(server.files)
    assert "timed out" in error_of(server, tmp_path / "a.bin")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/a.bin", "file:///etc/hostname"])
def test_a_redirect_leads_to_http_alone(server, tmp_path, address):
    server.redirect = address
    error_of(server, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_found_out_before_anything_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=300_000))
    assert "0 MB are free" in error_of(server, tmp_path / "deep" / "a.bin")
    assert server.asked == [] and list(tmp_path.iterdir()) == []


def test_what_the_disk_refuses_is_no_reason_to_try_again(server, tmp_path):
    (tmp_path / "a.bin.part").mkdir()
    with pytest.raises(IsADirectoryError):
        fetch(server, tmp_path / "a.bin")
    assert len(server.asked) == 1
