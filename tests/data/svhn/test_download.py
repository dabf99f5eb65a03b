"""Downloads from a local server that misbehaves on request."""

import shutil
import time
import types

import numpy as np
import pytest

from mtl.data.svhn import download
from mtl.errors import DataError
from tests.served import serve

CONTENT = np.random.default_rng(1).bytes(300_007)
SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def server():
    with serve({"a.bin": CONTENT}) as served:
        yield served


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.bin"


@pytest.fixture
def part(tmp_path):
    return tmp_path / "a.bin.part"


def difference(path):
    with open(path, "rb") as file:
        return "" if file.read() == CONTENT else "the content differs"


def fetch(server, path, size=SIZE, name="a.bin"):
    """Download; return the lines and the progress that were reported."""
    said, progress = [], []
    download.fetch(
        server.url + name,
        str(path),
        size,
        difference,
        said.append,
        lambda *done: progress.append(done),
    )
    return said, progress


def error_of(server, path, **options):
    with pytest.raises(DataError) as caught:
        fetch(server, path, **options)
    assert "\n" not in str(caught.value)
    assert server.url in str(caught.value)
    return str(caught.value)


def test_downloads_a_file(server, tmp_path):
    path = tmp_path / "new" / "a.bin"
    said, progress = fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert said == []
    assert progress[-1] == ("fetching a.bin", SIZE, SIZE)
    assert progress == sorted(progress)


def test_continues_the_download_of_an_earlier_run(server, path, part):
    part.write_bytes(CONTENT[:123_456])
    fetch(server, path)
    assert server.asked == [("a.bin", "bytes=123456-")]
    assert path.read_bytes() == CONTENT


def test_complete_part_is_only_verified(server, path, part):
    part.write_bytes(CONTENT)
    fetch(server, path)
    assert server.asked == []
    assert path.read_bytes() == CONTENT


def test_continues_after_a_closed_connection(server, path):
    server.cut = 100_000
    said, _ = fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("a.bin", None), *(("a.bin", f"bytes={k}00000-") for k in (1, 2, 3))]
    assert len(said) == 3
    assert "100000 of 300007 bytes" in said[0]


def test_starts_again_if_the_server_ignores_range(server, path, part):
    server.ranges = False
    part.write_bytes(b"x" * 5000)
    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("a.bin", "bytes=5000-")]


def test_gives_up_if_every_attempt_starts_again_and_stops(server, path, part):
    server.ranges, server.cut = False, 1000
    assert "1000 of 300007 bytes after 4 failed attempts" in error_of(server, path)
    assert len(server.asked) == 5
    assert part.read_bytes() == CONTENT[:1000]
    server.ranges, server.cut = True, None
    fetch(server, path)
    assert server.asked[-1] == ("a.bin", "bytes=1000-")
    assert path.read_bytes() == CONTENT


def test_busy_server_is_asked_again(server, path):
    server.codes = [503, 429, 500]
    said, _ = fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 4
    assert "503" in said[0] and "429" in said[1]


def test_missing_file_is_requested_once(server, path, tmp_path):
    assert "404" in error_of(server, path, name="b.bin")
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_rejects_another_file_by_its_length(server, path, part, tmp_path):
    message = error_of(server, path, size=299_999)
    assert "300007" in message and "299999" in message and "--checksums" in message
    assert list(tmp_path.iterdir()) == []
    part.write_bytes(CONTENT[:7])
    assert "bytes 7-300006/300007" in error_of(server, path, size=299_999)


def test_never_writes_more_than_the_size(server, path):
    server.length = False
    server.files["a.bin"] = CONTENT + bytes(10**6)
    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_deletes_wrong_content(server, path, tmp_path):
    server.files["a.bin"] = bytes(SIZE)
    assert "the content differs" in error_of(server, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"x" * 1000, b"x" * SIZE, b"x" * (SIZE + 9)])
def test_starts_again_if_the_part_is_of_another_file(server, path, part, content):
    part.write_bytes(content)
    said, _ = fetch(server, path)
    assert path.read_bytes() == CONTENT
    # A part that is too long is replaced without a word.
    assert len(said) == (1 if len(content) <= SIZE else 0)


def test_starts_again_if_the_part_is_longer_than_the_file(server, path, part):
    server.files["a.bin"] = CONTENT[:1000]
    part.write_bytes(CONTENT[:2000])
    error_of(server, path)  # status 416, and then a file of another length
    assert not part.exists()


def test_gives_up_without_server(path):
    with serve({}) as server:
        pass
    assert "failed attempts" in error_of(server, path)


def test_gives_up_on_a_silent_server(server, path, monkeypatch):
    class Slow(dict):
        def __getitem__(self, name):
            time.sleep(0.3)
            return super().__getitem__(name)

    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    server.files = Slow(server.files)
    assert "timed out" in error_of(server, path)


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/a.bin", "file:///etc/hostname"])
def test_follows_redirects_to_http_only(server, path, tmp_path, address):
    server.redirect = address
    error_of(server, path)
    assert list(tmp_path.iterdir()) == []


def test_checks_free_space_before_the_first_request(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=300_000))
    assert "0 MB are free" in error_of(server, tmp_path / "deep" / "a.bin")
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


def test_does_not_retry_after_an_error_of_the_disk(server, path, part):
    part.mkdir()
    with pytest.raises(IsADirectoryError):
        fetch(server, path)
    assert len(server.asked) == 1
