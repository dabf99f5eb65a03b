"""A folder of images with labels.csv."""

import zlib

import numpy as np
import pytest
from PIL import Image

from mtl import tasks
from mtl.data import folder, images
from mtl.errors import DataError
from mtl.inputs import Inputs


def make(directory, lines, header="file,label", encoding="utf-8"):
    """Write a labels.csv of (file, label), and the images that it names."""
    directory.mkdir(parents=True, exist_ok=True)
    text = "\n".join([header] + [f"{name},{label}" for name, label in lines]) + "\n"
    (directory / "labels.csv").write_bytes(text.encode(encoding))
    for i, (name, _) in enumerate(lines):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (9 + i, 31, 3), np.uint8)
        Image.fromarray(pixels).save(directory / name)


LINES = [("a.png", "007"), ("sub/b.jpg", ""), ("c d.png", "1234567")]


def error_of(tmp_path, split="test"):
    with pytest.raises(DataError) as caught:
        folder.load(str(tmp_path), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_reads_labels_with_zeros_and_whole_images(tmp_path):
    make(tmp_path / "test", LINES)
    got = folder.load(str(tmp_path), "test")
    assert got.numbers == ["007", "", "1234567"]
    assert got.names == ["a.png", "sub/b.jpg", "c d.png"]
    for i, name in enumerate(got.names):
        wanted = images.window(images.read(str(tmp_path / "test" / name)))
        np.testing.assert_array_equal(got.inputs[i], wanted)


def test_reads_what_spreadsheets_write(tmp_path):
    make(tmp_path / "test", LINES)
    # A byte order mark, CRLF, quotes and an empty line.
    table = b'\xef\xbb\xbffile,label\r\n"a.png","42"\r\n\r\nc d.png,\r\n'
    (tmp_path / "test" / "labels.csv").write_bytes(table)
    got = folder.load(str(tmp_path), "test")
    assert (got.names, got.numbers) == (["a.png", "c d.png"], ["42", ""])


def test_reads_only_the_first_count(tmp_path):
    make(tmp_path / "test", LINES)
    assert folder.load(str(tmp_path), "test", count=2).names == ["a.png", "sub/b.jpg"]


def test_validation_is_the_held_out_part_of_train(tmp_path):
    lines = [(f"{i}.png", str(i)) for i in range(50)]
    make(tmp_path / "train", lines)
    train, validation = (folder.load(str(tmp_path), split) for split in ("train", "validation"))
    held_out = [name for name, _ in lines if zlib.crc32(name.encode()) % 10 == 0]
    assert held_out and validation.names == held_out
    assert sorted(train.names + validation.names) == sorted(name for name, _ in lines)
    make(tmp_path / "validation", LINES)
    assert len(folder.load(str(tmp_path), "train").names) == 50
    assert folder.load(str(tmp_path), "validation").names == [name for name, _ in LINES]


@pytest.mark.parametrize(
    "line, reason",
    [
        ("a.png,12a", "line 4: a number consists of"),
        ("a.png,²", "line 4: a number consists of"),
        ("a.png, 12", "line 4: a number consists of"),
        ("a.png,-1", "line 4: a number consists of"),
        ("a.png", "line 4: 1 fields, but the header has 2"),
        ("a.png,1,2", "line 4: 3 fields, but the header has 2"),
        ("none.png,1", "line 4: no such file 'none.png'"),
        (",1", "line 4: no such file ''"),
        ("sub,1", "line 4: no such file 'sub'"),
        ("../test/a.png,1", "line 4: '../test/a.png' is outside the folder"),
        ("sub/../../b,1", "line 4: 'sub/../../b' is outside the folder"),
        ("/etc/hostname,1", "line 4: '/etc/hostname' is outside the folder"),
        ('"a.png,1', "line 4: unexpected end of data"),
    ],
)
def test_bad_line_is_named(tmp_path, line, reason):
    make(tmp_path / "test", LINES[:2])
    with open(tmp_path / "test" / "labels.csv", "a", encoding="utf-8") as file:
        file.write(line)
    message = error_of(tmp_path)
    assert "labels.csv" in message and reason in message


def test_rejects_a_file_with_two_labels(tmp_path):
    make(tmp_path / "test", LINES)
    with open(tmp_path / "test" / "labels.csv", "a", encoding="utf-8") as file:
        file.write("\n./sub//b.jpg,12\n")
    reason = "labels.csv line 6: './sub//b.jpg' has the label '12', but '' on line 3; keep the line"
    assert reason in error_of(tmp_path)


@pytest.mark.parametrize("name, label", [("a.png", "7"), ("sub/../a.png", "0007"), ("./a.png", "")])
def test_labels_differ_by_a_leading_zero_or_a_missing_number(tmp_path, name, label):
    make(tmp_path / "test", LINES)
    with open(tmp_path / "test" / "labels.csv", "a", encoding="utf-8") as file:
        file.write(f"{name},{label}\n")
    message = error_of(tmp_path)
    assert f"line 5: {name!r} has the label {label!r}, but '007' on line 2" in message


def test_file_may_be_listed_several_times_with_the_same_label(tmp_path):
    make(tmp_path / "test", [*LINES, LINES[0], ("./a.png", "007"), ("sub/../a.png", "007")])
    got = folder.load(str(tmp_path), "test")
    assert got.numbers == ["007", "", "1234567", "007", "007", "007"]
    assert got.names[3:] == ["a.png", "./a.png", "sub/../a.png"]


@pytest.mark.parametrize("header", ["", "label,file", "file;label", "file,label,more", "a.png,1"])
def test_rejects_another_header(tmp_path, header):
    make(tmp_path / "test", LINES, header)
    message = error_of(tmp_path)
    assert "line 1: the header" in message
    assert ("separate the fields by commas" in message) == (";" in header)


def test_broken_image_is_named_with_its_line(tmp_path):
    make(tmp_path / "test", LINES)
    (tmp_path / "test" / "c d.png").write_bytes(b"not an image")
    message = error_of(tmp_path)
    assert "labels.csv line 4" in message and "c d.png" in message


def test_missing_empty_or_unreadable_table_is_an_error(tmp_path):
    assert "found none" in error_of(tmp_path)
    (tmp_path / "test").mkdir()
    assert "No such file" in error_of(tmp_path)
    make(tmp_path / "test", [])
    assert "no images in the split test" in error_of(tmp_path)
    make(tmp_path / "test", LINES, encoding="utf-16")
    assert "UTF-8" in error_of(tmp_path)


# -- own tasks -------------------------------------------------------------------------------------

TASKS = tasks.parse("colour:3,size:real")
HEADER = "size,file,colour,note"
ROWS = ["1.5,a.png,2,x", ", b.png ,0,", "0.25,c.png,,x", "7,d.png, 1 ,x"]


def own(tmp_path, rows=ROWS, header=HEADER, split="test"):
    """Write a folder of four images with two labels each; return its labels.csv."""
    make(tmp_path / split, [(f"{name}.png", "") for name in "abcd"])
    path = tmp_path / split / "labels.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def test_reads_columns_in_any_order_and_ignores_others(tmp_path):
    own(tmp_path)
    got = folder.load(str(tmp_path), "test", tasks=TASKS)
    assert got.labels["colour"].dtype == np.int32 and got.labels["size"].dtype == np.float32
    assert got.labels["colour"].tolist() == [2, 0, -1, 1]
    np.testing.assert_array_equal(got.labels["size"], [1.5, np.nan, 0.25, 7.0])
    assert (got.names, got.numbers) == (["a.png", "b.png", "c.png", "d.png"], ())
    assert got.inputs.shape == (4, 64, 64, 3)


def test_images_are_resized_to_the_window_or_to_the_inputs_of_a_run(tmp_path):
    own(tmp_path)
    assert folder.load(str(tmp_path), "test", tasks=TASKS, window=20).inputs.shape == (4, 20, 20, 3)
    inputs = Inputs((12, 10, 1), 8, "float32")
    got = folder.load(str(tmp_path), "test", tasks=TASKS, inputs=inputs)
    image = images.read(str(tmp_path / "test" / "b.png"))
    np.testing.assert_array_equal(got.inputs[1], images.window(image, inputs=inputs))
    with pytest.raises(DataError, match="uint8 images .*, but the network takes float32 features"):
        folder.load(str(tmp_path), "test", tasks=TASKS, inputs=Inputs((3,), 0, "float32"))


def test_labels_may_be_missing_for_predictions(tmp_path):
    own(tmp_path, ["a.png", "d.png"], "file")
    got = folder.load(str(tmp_path), "test", tasks=TASKS, unlabelled=True)
    assert got.labels["colour"].tolist() == [-1, -1] and np.isnan(got.labels["size"]).all()


@pytest.mark.parametrize(
    "header, rows, reason",
    [
        (
            "file,color,size",
            [],
            ": no column 'colour', found file, color, size; did you mean color? add it, or give ",
        ),
        ("name,colour,size", [], ": no column 'file', found name, colour, size; name the image"),
        (
            "File,colour,size",
            [],
            ": no column 'file', found File, colour, size; did you mean File? rename the column to",
        ),
        ("", [], ": empty; write it with the header file,colour,size"),
        ("file;colour;size", [], " line 1: the header 'file;colour;size' has no commas; separate"),
        ("file,colour,size,size", [], ": two columns are named 'size'; rename or remove one"),
        ("file,colour,size,", [], ": column 4 has no name; name it, or remove it"),
        (HEADER, ["1,a.png,3,x"], " line 2, column colour: class 3 is out of range; number the"),
        (HEADER, ["1,a.png,red,x"], " line 2, column colour: 'red' is not a class; number the"),
        (HEADER, [*ROWS, "big,a.png,2,"], " line 6: 'a.png' has the label '2,big', but '2,1.5' on"),
        (HEADER, ["1,a.png,1,", "big,b.png,1,"], " line 3, column size: 'big' is not a number; "),
        (HEADER, ["1,none.png,1,"], " line 2: no such file 'none.png'; add the image"),
        (HEADER, ["1,a.png,1"], " line 2: 3 fields, but the header has 4; quote a field"),
        (HEADER, [], ": no images in the split test; add lines `file,colour,size`"),
    ],
)
def test_fault_in_an_own_folder_is_one_line(tmp_path, header, rows, reason):
    path = own(tmp_path, rows, header)
    with pytest.raises(DataError) as caught:
        folder.load(str(tmp_path), "test", tasks=TASKS)
    message = str(caught.value)
    assert message.startswith(f"{path}{reason}") and "\n" not in message


def test_forgotten_tasks_are_suggested(tmp_path):
    own(tmp_path)
    cure = "write file,label for numbers; other columns need a network with --tasks=size:N"
    assert error_of(tmp_path).endswith(f"line 1: the header is '{HEADER}'; {cure}")
