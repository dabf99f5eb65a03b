"""CSV files of boxes: columns by name, several boxes of an image, and errors that name the line."""

import os

import pytest

from mtl.data import boxes
from mtl.errors import DataError

HEADER = "file,left,top,width,height\n"


def table(tmp_path, text, name="boxes.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def error_of(path):
    with pytest.raises(DataError) as caught:
        boxes.read(path)
    message = str(caught.value)
    assert message.startswith(path) and "; " in message and "\n" not in message
    return message.removeprefix(path)


def test_reads_boxes_in_the_order_of_the_lines(tmp_path):
    text = HEADER + "b.png,1,2.5,3,4\n\nin/a.png,-5,0,1e1,.5\n,,,,\nb.png, 7 ,8,9,1\n"
    rows = boxes.read(table(tmp_path, text))
    assert [row.line for row in rows] == [2, 4, 6]
    assert [os.path.relpath(row.path, tmp_path) for row in rows] == ["b.png", "in/a.png", "b.png"]
    assert [row.box for row in rows] == [(1, 2.5, 4, 6.5), (-5, 0, 5, 0.5), (7, 8, 16, 9)]
    assert {row.fault for row in rows} == {None}


def test_columns_are_found_by_name(tmp_path):
    header = "\ufeffscore, width ,height,label,top,file,left,note,note\r\n"
    (row,) = boxes.read(table(tmp_path, header + "0.9,3,4,cat,2,a.png,1,x,y\r\n"))
    assert (os.path.basename(row.path), row.box) == ("a.png", (1, 2, 4, 6))


def test_relative_files_start_from_the_folder_of_the_csv_file(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    table(tmp_path / "in", HEADER + '"a, ""b"".png",1,2,3,4\n/c.png,1,2,3,4\n../d.png,1,2,3,4\n')
    monkeypatch.chdir(tmp_path)
    paths = [row.path for row in boxes.read("in/boxes.csv")]
    assert paths == ['in/a, "b".png', "/c.png", "in/../d.png"]
    monkeypatch.chdir(tmp_path / "in")
    assert boxes.read("boxes.csv")[0].path == 'a, "b".png'


@pytest.mark.parametrize(
    "numbers, fault",
    [
        ("x,2,3,4", "left is 'x'; write a number of pixels"),
        ("1,,3,4", "top is ''; write a number of pixels"),
        ('1,2,"3,5",4', "width is '3,5'; write a number of pixels"),
        ("1,2,3,4px", "height is '4px'; write a number of pixels"),
        ("nan,2,3,4", "left is nan; write a finite number of pixels"),
        ("1,2,inf,4", "width is inf; write a finite number of pixels"),
        ("1,2,1e999,4", "width is 1e999; write a finite number of pixels"),
        ("1,2,0,4", "width is 0; write a number above 0"),
        ("1,2,3,-4", "height is -4; write a number above 0"),
    ],
)
def test_wrong_number_is_the_fault_of_its_row(tmp_path, numbers, fault):
    rows = boxes.read(table(tmp_path, f"{HEADER}a.png,{numbers}\nb.png,1,2,3,4\n"))
    assert [(row.line, row.box, row.fault) for row in rows] == [
        (2, None, fault),
        (3, (1, 2, 4, 6), None),
    ]


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", " line 1: no header; write file,left,top,width,height"),
        ("\n\n", " line 1: no header; write file,left"),
        (HEADER, ": has no boxes; add a line with file,left,top,width,height for each box"),
        (HEADER + "\n,,,,\n", ": has no boxes; "),
        ("a.png,1,2,3,4\n", " line 1: the header is 'a.png,1,2,3,4'; write file,left,top,width,"),
        ("file,top,width,height\n", " line 1: the header has no column left; write file,left,top"),
        ("file,x,y,w,h\n", " line 1: the header has no column left or top or width or height; "),
        (HEADER.upper(), " line 1: the header is 'FILE,LEFT,TOP,WIDTH,HEIGHT'; write file,left"),
        (HEADER.replace(",", ";"), " line 1: the header is 'file;left;top;width;height'; write "),
        ("file,left,top,width,height,left\n", " line 1: the header has the column left 2 times; "),
        (HEADER + "a.png,1,2,3\n", " line 2: 4 fields, but the header has 5; "),
        (HEADER + "\na.png,1,5,2,3,4\n", " line 3: 6 fields, but the header has 5; quote a field"),
        (HEADER + ",1,2,3,4\n", " line 2: the column file names no file; write the path"),
        (HEADER + '"a.png,1,2,3,4\n', " line 2: unexpected end of data; check that every quote"),
        (HEADER.encode("utf-16"), ": not text in UTF-8; save it as CSV in UTF-8"),
        (HEADER.encode() + b"gr\xfcn.png,1,2,3,4\n", ": not text in UTF-8; save it as CSV"),
    ],
)
def test_malformed_file_is_named_with_its_line(tmp_path, text, fault):
    assert error_of(table(tmp_path, text)).startswith(fault)


def test_null_character_is_an_error(tmp_path):
    assert " line 2: " in error_of(table(tmp_path, HEADER + "a\0.png,1,2,3,4\n"))


def test_missing_file_folder_pipe_and_large_file_are_named(tmp_path, monkeypatch):
    assert "cannot be read (No such file" in error_of(str(tmp_path / "none.csv"))
    assert "cannot be read (not a file); give a CSV file with" in error_of(str(tmp_path))
    os.mkfifo(tmp_path / "pipe.csv")
    assert "cannot be read (not a file)" in error_of(str(tmp_path / "pipe.csv"))
    monkeypatch.setattr(boxes, "MAX_BYTES", 2048)
    path = table(tmp_path, HEADER + "a.png,1,2,3,4\n" * 200)
    assert "cannot be read (larger than 2 KB)" in error_of(path)


def test_line_break_in_the_name_of_the_file_is_escaped(tmp_path):
    with pytest.raises(DataError) as caught:
        boxes.read(table(tmp_path, "", "a\nb.csv"))
    assert str(caught.value).startswith(f"{tmp_path}/a\\nb.csv line 1: no header")
