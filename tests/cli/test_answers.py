"""The rows of `mtl predict`: text, JSON and CSV, of predictions and of errors."""

import csv
import io
import json

import pytest

from mtl.cli import answers
from mtl.cli.inputs import Input
from mtl.errors import DataError
from tests.image_files import save

RUN = "--model_dir=run"
BOX = (0.1, 2.5, 0.3, 7.0)  # left, top, right, bottom; 0.3 - 0.1 is not 0.2 in float64


def answer(number, confidence, name="a b.png", box=None):
    given = Input(name, name, box)
    return answers.Answer(given, None, {"file": name, "number": number, "confidence": confidence})


@pytest.mark.parametrize(
    "number, confidence, line",
    [
        ("210", 0.98765, "a b.png  210  0.988"),
        ("", 1.0, "a b.png  no number  1.000"),
        (None, 0.0, "a b.png  more than 5 digits  0.000"),
        ("7", None, "a b.png  7  -"),
    ],
)
def test_text_names_the_file_the_number_and_the_confidence(number, confidence, line):
    assert answers.to_text(answer(number, confidence), False) == line
    assert answers.caption(answer(number, confidence), False) == line.replace("  ", "\n")


def test_a_box_of_its_own_follows_the_file():
    boxed = answer("7", 0.5, box=BOX)
    assert answers.to_text(boxed, True) == "a b.png  0.1,2.5,0.2,4.5  7  0.500"
    assert answers.to_csv(boxed, True) == "a b.png,0.1,2.5,0.2,4.5,7,0.5,"
    assert answers.csv_header(True) == "file,left,top,width,height,number,confidence,error"
    row = json.loads(answers.to_json(boxed, True))
    assert list(row) == ["file", "box", "number", "confidence"]
    assert row["box"] == [0.1, 2.5, 0.2, 4.5]


def test_an_error_without_a_box_has_the_same_columns():
    failed = answers.Answer(Input("-", "-"), error=DataError("-: standard input\n is empty"))
    assert answers.to_csv(failed, True) == "-,,,,,,,standard input is empty"
    row = json.loads(answers.to_json(failed, True))
    assert row == {"file": "-", "box": None, "error": "standard input is empty"}


@pytest.mark.parametrize("path, name", [("a\nb.png", "a\\nb.png"), ("a\r.png", "a\\r.png")])
def test_json_and_csv_give_the_path_and_text_the_printable_name(path, name):
    one = answer("7", 0.5, path)._replace(given=Input(name, path))
    assert answers.to_text(one, False) == f"{name}  7  0.500"
    assert json.loads(answers.to_json(one, False))["file"] == path
    assert "\n" not in answers.to_json(one, False)
    rows = csv.reader(io.StringIO(answers.to_csv(one, False), newline=""))
    assert list(rows) == [[path, "7", "0.5", ""]]


# -- the command -----------------------------------------------------------------------------------


def test_csv_and_json_agree(fake, command):
    names = ["a, b.png", 'the "c".png', "0.png", "missing.png", "x.png", "broken.png"]
    for name, red in zip(names, (210, 37, 0, None, 255, None), strict=True):
        if red is not None:
            save(name, red)
    with open("broken.png", "w") as file:
        file.write("no image")
    code, out, err = command("predict", RUN, "--csv", *names)
    assert code == 2 and err.count("\n") == 2 and "\r" not in out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["file", "number", "confidence", "error"]
    assert [row["file"] for row in rows] == names
    numbers = ["210", "37", "no number", "", "more than 5 digits", ""]
    assert [row["number"] for row in rows] == numbers
    code, out, json_err = command("predict", RUN, "--json", *names)
    assert (code, json_err) == (2, err)
    objects = [json.loads(line) for line in out.splitlines()]
    assert [one["file"] for one in objects] == names
    for one, row in zip(objects, rows):
        if "error" in one:
            assert list(one) == ["file", "error"] and row["confidence"] == ""
            assert f"mtl predict: {one['file']}: {one['error']}\n" in err
            assert one["error"] == row["error"]
        else:
            assert list(one) == ["file", "number", "confidence", "length", "digits"]
            assert one["confidence"] == float(row["confidence"]) and row["error"] == ""
    assert [one.get("number", "failed") for one in objects] == [
        "210",
        "37",
        "",
        "failed",
        None,
        "failed",
    ]


def test_boxes_of_one_image_are_told_apart(fake, command):
    save("a.png", 7)
    with open("boxes.csv", "w") as file:
        file.write("file,left,top,width,height\na.png,1,2,3,4\na.png,5.5,6,7,8\n")
    code, out, err = command("predict", RUN, "--boxes=boxes.csv")
    assert (code, err) == (0, "")
    assert out == "a.png  1,2,3,4  7  0.810\na.png  5.5,6,7,8  7  0.810\n"


def test_one_box_for_all_images_is_not_repeated(fake, command):
    save("a.png", 7)
    _, out, _ = command("predict", RUN, "--box=1,2,3,4", "--csv", "a.png")
    assert out.splitlines()[0] == "file,number,confidence,error"
    assert command("predict", RUN, "--box=1,2,3,4", "a.png")[1] == "a.png  7  0.810\n"


def test_help_documents_the_keys_of_json(fake, command):
    save("a.png", 7)
    _, out, _ = command("predict", RUN, "--json", "a.png", "missing.png")
    keys = {key for line in out.splitlines() for key in json.loads(line)}
    text = command("predict", "--help")[1]
    (line,) = [line for line in text.splitlines() if "one JSON object" in line]
    assert keys == {"file", "number", "confidence", "length", "digits", "error"}
    for key in keys | {"box", "null", '""'}:
        assert key in line
