import os
import tempfile

import pytest

from mtl.errors import DataError
from mtl.runs import files


@pytest.mark.parametrize("earlier", [None, "before"])
def test_whole_renames_at_the_end(tmp_path, earlier):
    path = tmp_path / "a.txt"
    if earlier:
        path.write_text(earlier)
    with files.whole(str(path)) as unfinished:
        with open(unfinished, "w") as file:
            file.write("after")
        assert (path.read_text() if path.exists() else None) == earlier
    assert path.read_text() == "after" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("begun", [True, False])
def test_whole_keeps_the_old_file_on_failure(tmp_path, begun):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), files.whole(str(path)) as unfinished:
        if begun:
            with open(unfinished, "w") as file:
                file.write("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["a.txt"] and path.read_text() == "before"


def test_free_skips_existing_paths(tmp_path):
    path = tmp_path / "a"
    assert files.free(str(path)) == str(path)
    path.write_text("")
    (tmp_path / "a-1").symlink_to("nowhere")
    assert files.free(str(path)) == f"{path}-2"


# -- output paths ----------------------------------------------------------------------------------


def error_of(check, path):
    """Return the message of a check that must fail."""
    with pytest.raises(DataError) as error:
        check(str(path), "--out")
    message = str(error.value)
    assert "--out" in message and "\n" not in message
    return message


def test_check_file_creates_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path / "a.png"), "a.png"):
        files.check_file(path, "--out")
    assert os.listdir(tmp_path) == []


def test_check_file_rejects_folders_and_missing_folders(tmp_path):
    missing = tmp_path / "nowhere"
    assert f"{missing}: no such folder" in error_of(files.check_file, missing / "a.png")
    assert f"{tmp_path}: is a folder" in error_of(files.check_file, tmp_path)


def test_check_folder_creates_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, tmp_path / "a" / "b" / "c", "a", "a/b/", "."):
        files.check_folder(str(path), "--out")
    assert os.listdir(tmp_path) == []


def test_check_folder_rejects_files(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "a" / "b"):
        assert f"{file}: is not a folder" in error_of(files.check_folder, path)


def test_checks_reject_folders_that_cannot_be_written(tmp_path, monkeypatch):
    def denied(dir):
        raise PermissionError(13, "Permission denied", dir)

    # Root may write anywhere, so a test of permissions would pass as root.
    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    expected = f"{tmp_path}: cannot be written (Permission denied)"
    assert expected in error_of(files.check_file, tmp_path / "a.png")
    assert expected in error_of(files.check_folder, tmp_path / "a")


# -- texts -----------------------------------------------------------------------------------------


def test_read_text_has_a_limit(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("zwölf\r\n".encode())
    size = path.stat().st_size
    assert files.read_text(str(path), size) == "zwölf\r\n"
    with pytest.raises(OSError, match="larger than 0 KB"):
        files.read_text(str(path), size - 1)


def test_read_text_drops_a_byte_order_mark(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffzwölf\r\n".encode())
    assert files.read_text(str(path), 99) == "zwölf\r\n"
    assert files.read_text(str(path), 99, "utf-8") == "\ufeffzwölf\r\n"


@pytest.mark.parametrize("content", [b"\xff", "zwölf".encode("utf-16")])
def test_read_text_rejects_other_encodings(tmp_path, content):
    path = tmp_path / "text"
    path.write_bytes(content)
    with pytest.raises(UnicodeDecodeError):
        files.read_text(str(path), 99)


def test_read_text_rejects_pipes_folders_and_devices(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(OSError, match="not a file"):
            files.read_text(str(path), 99)
    with pytest.raises(FileNotFoundError):
        files.read_text(str(tmp_path / "none"), 99)
