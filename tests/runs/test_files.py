"""Files that are there whole or not at all."""

import os
import tempfile

import pytest

from mtl.errors import DataError
from mtl.runs import files


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = str(tmp_path / "a.txt")
    for content in ("first", "second"):
        with files.whole(path) as unfinished:
            with open(unfinished, "w") as file:
                file.write(content)
            assert os.path.exists(path) == (content == "second")
        with open(path) as file:
            assert file.read() == content
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path, begun):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(KeyboardInterrupt), files.whole(str(tmp_path / "a.txt")) as unfinished:
        if begun:
            with open(unfinished, "w") as file:
                file.write("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "before"


def refusal(check, path):
    with pytest.raises(DataError) as caught:
        check(str(path), "--out")
    message = str(caught.value)
    assert "--out" in message and "\n" not in message
    return message


def test_where_a_file_can_go(tmp_path, monkeypatch):
    files.check_file(str(tmp_path / "a.png"), "--out")
    monkeypatch.chdir(tmp_path)
    files.check_file("a.png", "--out")
    assert os.listdir(tmp_path) == []
    assert f"{tmp_path / 'nowhere'}: no such folder" in refusal(
        files.check_file, tmp_path / "nowhere" / "a.png"
    )
    assert f"{tmp_path}: is a folder" in refusal(files.check_file, tmp_path)


def test_where_a_folder_can_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, tmp_path / "a" / "b" / "c", "a", "a/b/", "."):
        files.check_folder(str(path), "--out")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        assert f"{tmp_path / 'file'}: is no folder" in refusal(files.check_folder, path)


def test_a_folder_that_is_closed(tmp_path, monkeypatch):
    def closed(dir):
        raise PermissionError(13, "Permission denied", dir)

    monkeypatch.setattr(
        tempfile, "TemporaryFile", closed
    )  # root may write anywhere, so that permissions would test nothing
    for check, path in (
        (files.check_file, tmp_path / "a.png"),
        (files.check_folder, tmp_path / "a"),
    ):
        assert f"{tmp_path}: cannot be written (Permission denied)" in refusal(check, path)


def test_a_text_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("zwölf\r\n".encode())
    assert files.read_text(str(path), path.stat().st_size) == "zwölf\r\n"
    with pytest.raises(OSError, match="larger than 0 KB"):
        files.read_text(str(path), path.stat().st_size - 1)
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        files.read_text(str(path), 99)


def test_byte_order_mark_is_not_part_of_a_text(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffzwölf\r\n".encode())
    assert files.read_text(str(path), path.stat().st_size) == "zwölf\r\n"
    assert files.read_text(str(path), 99, "utf-8") == "\ufeffzwölf\r\n"
    path.write_bytes("zwölf".encode("utf-16"))
    with pytest.raises(UnicodeDecodeError):
        files.read_text(str(path), 99)


def test_what_is_no_file_is_not_read_as_a_text(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(OSError, match="not a file"):
            files.read_text(str(path), 99)
    with pytest.raises(FileNotFoundError):
        files.read_text(str(tmp_path / "none"), 99)
