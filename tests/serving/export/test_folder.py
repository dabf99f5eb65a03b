"""mtl.serving.export.folder: versions, each whole or not at all."""

import os

import pytest

from helpers import one_line, touch
from mtl.errors import DataError
from mtl.serving.export import folder


def write(out, text="a"):
    """Write a version with one file; return its path."""
    with folder.whole(str(out)) as unfinished:
        with open(os.path.join(unfinished, "model"), "w", encoding="utf-8") as file:
            file.write(text)
        assert folder.versions(str(out)) == sorted(int(each.name) for each in out.glob("[0-9]*"))
        return folder.finish(unfinished, str(out))


def test_versions_are_numbered_from_1(tmp_path):
    out = tmp_path / "a" / "b"
    paths = [write(out, text) for text in "xyz"]
    assert paths == [str(out / number) for number in "123"]
    assert sorted(os.listdir(out)) == ["1", "2", "3"]
    assert (out / "3" / "model").read_text() == "z"


def test_the_next_version_is_above_all_others(tmp_path):
    touch(str(tmp_path / "7" / "model"))
    touch(str(tmp_path / "notes" / "9"))
    assert write(tmp_path) == str(tmp_path / "8")
    assert folder.versions(str(tmp_path)) == [7, 8]


def test_a_failure_leaves_nothing(tmp_path):
    out = tmp_path / "a" / "b"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            with folder.whole(str(out)) as unfinished:
                touch(os.path.join(unfinished, "source", "model"))
                raise error
        assert os.listdir(tmp_path) == []
    write(tmp_path)
    with pytest.raises(ValueError):
        with folder.whole(str(tmp_path)):
            raise ValueError
    assert os.listdir(tmp_path) == ["1"]


def test_the_unfinished_version_is_no_number(tmp_path):
    with folder.whole(str(tmp_path)):
        assert [name.isdigit() for name in os.listdir(tmp_path)] == [False]


def test_a_version_of_another_process_is_not_replaced(tmp_path, monkeypatch):
    touch(str(tmp_path / "1" / "theirs"))
    monkeypatch.setattr(folder, "versions", lambda out: [])
    with folder.whole(str(tmp_path)) as unfinished:
        touch(os.path.join(unfinished, "ours"))
        assert folder.finish(unfinished, str(tmp_path)) == str(tmp_path / "2")
    assert os.listdir(tmp_path / "1") == ["theirs"]


def refused(out, *parts, format="saved_model"):
    with pytest.raises(DataError) as error:
        folder.check(str(out), format)
    one_line(error, out, *parts)


def test_checks_the_folder_and_creates_nothing(tmp_path):
    folder.check(str(tmp_path / "new" / "out"), "saved_model")
    assert os.listdir(tmp_path) == []
    touch(str(tmp_path / "file"))
    refused(tmp_path / "file", "is not a folder; --out takes the name of a folder")
    touch(str(tmp_path / "run" / "config.json"))
    refused(tmp_path / "run", "is a run directory; choose another folder for --out")


def test_one_folder_has_one_format(tmp_path):
    for number, text in (("1", '{"format": "onnx"}'), ("2", "no JSON"), ("3", "[]")):
        touch(str(tmp_path / number / "mtl.json"))
        (tmp_path / number / "mtl.json").write_text(text)
    folder.check(str(tmp_path), "onnx")
    refused(tmp_path, "version 1 has --format=onnx", "--format=tflite", format="tflite")
