"""Tables of checksums, and how a file is compared with one."""

import hashlib
import re

import pytest

from mtl.data.svhn import checksums
from mtl.errors import DataError


def write(tmp_path, text):
    path = tmp_path / "sums"
    path.write_text(text)
    return str(path)


def test_official_archives():
    assert {name: known.bytes for name, known in checksums.OFFICIAL.items()} == {
        "train.tar.gz": 404141560,
        "test.tar.gz": 276555967,
        "extra.tar.gz": 1955489752,
    }
    assert all(re.fullmatch("[0-9a-f]{32}", known.md5) for known in checksums.OFFICIAL.values())


def test_reads_lines_and_skips_comments(tmp_path):
    path = write(tmp_path, f"# mine\n\n{'0A' * 16}  12  a.tar.gz\n{'b' * 32}\t7 b.tar.gz  \n")
    assert checksums.read(path) == {"a.tar.gz": ("0a" * 16, 12), "b.tar.gz": ("b" * 32, 7)}


def test_skips_byte_order_mark(tmp_path):
    (tmp_path / "sums").write_text(f"{'b' * 32}  7  test.tar.gz\n", encoding="utf-8-sig")
    assert checksums.read(str(tmp_path / "sums")) == {"test.tar.gz": ("b" * 32, 7)}


def test_accepts_a_repeated_line(tmp_path):
    path = write(tmp_path, f"{'b' * 32} 12 a.gz\n{'d' * 32} 7 b.gz\n{'B' * 32} 12 a.gz")
    assert checksums.read(path) == {"a.gz": ("b" * 32, 12), "b.gz": ("d" * 32, 7)}


@pytest.mark.parametrize("md5, size", [("b" * 32, 13), ("c" * 32, 12)])
def test_rejects_two_checksums_of_one_archive(tmp_path, md5, size):
    path = write(tmp_path, f"{'b' * 32} 12 a.gz\n\n{md5} {size} a.gz")
    reason = "sums line 3: a.gz has another md5 or size on line 1; keep the correct line"
    with pytest.raises(DataError, match=reason):
        checksums.read(path)


@pytest.mark.parametrize(
    "line",
    [
        "x",
        f"{'0' * 31}  1  a",
        f"{'0' * 32}  0  a",
        f"{'0' * 32}  a",
        f"{'0' * 32}  1  a b",
        f"{'0' * 32}  -1  a",
    ],
)
def test_invalid_line_is_named(tmp_path, line):
    with pytest.raises(DataError, match="sums line 2: invalid: "):
        checksums.read(write(tmp_path, f"{'0' * 32}  1  a\n{line}\n"))


def test_unreadable_table_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        checksums.read(str(tmp_path / "nowhere"))
    (tmp_path / "sums").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="sums: not UTF-8 text"):
        checksums.read(str(tmp_path / "sums"))


def test_difference_tells_size_and_md5(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(b"content")
    expected = checksums.Checksum(hashlib.md5(b"content").hexdigest(), 7)
    reports = []

    def difference(**changes):
        other = expected._replace(**changes)
        return checksums.difference(str(path), other, lambda *done: reports.append(done))

    assert difference() == ""
    assert reports == [("checking a.gz", 7, 7)]
    assert difference(bytes=8) == "incomplete: 7 bytes instead of 8"
    assert difference(bytes=6) == "another file: 7 bytes instead of 6"
    assert difference(md5="0" * 32).endswith(f"md5 {expected.md5} instead of {'0' * 32}")
