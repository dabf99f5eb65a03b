"""CSV files: lines, headers and columns found by name."""

import os

import pytest

from mtl.data import csv_files
from mtl.errors import DataError


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        list(function(*arguments) or ())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_lines_are_numbered_as_in_an_editor(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\r\n"1\n2",3\r\n\r\n,\r\n4,5')
    found = list(csv_files.lines(str(path), 1000, "write it"))
    assert found == [(1, ["a", "b"]), (3, ["1\n2", "3"]), (6, ["4", "5"])]


def test_header_is_the_first_line_without_spaces():
    lines = iter([(1, [" a", "b "]), (2, ["4", " 5"])])
    assert csv_files.read_header(lines) == ["a", "b"]
    assert next(lines) == (2, ["4", " 5"])
    assert csv_files.read_header(lines) == []


def test_file_that_is_not_csv_is_named(tmp_path):
    path = str(tmp_path / "x.csv")
    assert error_of(csv_files.lines, path, 9, "write it").endswith("directory); write it")
    for content, reason in (
        (b"a,b\n\xff\n", ": not text in UTF-8"),
        (b'a,b\n"c,d\n', " line 2: unexpected end of data; check that every quote"),
        (b"a" * 2000, ": cannot be read (larger than 1 KB); write it"),
    ):
        (tmp_path / "x.csv").write_bytes(content)
        assert error_of(csv_files.lines, path, 1024, "write it").startswith(path + reason)
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in error_of(csv_files.lines, str(tmp_path / "pipe"), 9, "write it")


def test_columns_have_different_names():
    csv_files.check_header("x", ["a", "b"])
    assert error_of(csv_files.check_header, "x", ["a", "b", "a"]) == (
        "x: two columns are named 'a'; rename or remove one"
    )
    assert error_of(csv_files.check_header, "x", ["a", ""]).startswith("x: column 2 has no name; ")


@pytest.mark.parametrize("column, text", [("a;b", "'a;b'"), ("a b\tc", r"'a b\tc'")])
def test_semicolons_or_tabs_instead_of_commas_are_an_error(column, text):
    expected = f"x line 1: the header {text} has no commas; separate the fields by commas"
    assert error_of(csv_files.check_header, "x", [column]) == expected
    csv_files.check_header("x", [column, "d"])
    csv_files.check_header("x", ["a"])


def test_each_line_has_the_fields_of_the_header():
    csv_files.check_fields("x", 3, ["1", "2"], ["a", "b"])
    message = error_of(csv_files.check_fields, "x", 3, ["1"], ["a", "b"])
    assert message.startswith("x line 3: 1 fields, but the header has 2; quote a field")


@pytest.mark.parametrize(
    "name, hint", [("colour", "did you mean color? "), ("COLOR", "did you mean color? "), ("z", "")]
)
def test_missing_column_lists_the_others_and_suggests_one(name, hint):
    error = csv_files.missing("x", "column", name, ["file", "color"], "rename it")
    assert str(error) == f"x: no column {name!r}, found file, color; {hint}rename it"
