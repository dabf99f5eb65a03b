"""The rows of `mtl predict`: text, JSON and CSV, of predictions and of errors."""

import csv
import io
import json
from types import SimpleNamespace

import pytest

from mtl import tasks
from mtl.cli import answers
from mtl.cli.answers import Form
from mtl.cli.inputs import Input
from mtl.errors import DataError, UsageError
from mtl.tasks import Task
from tests.image_files import save

RUN = "--model_dir=run"
PLAIN, BOXED = Form(), Form(boxed=True)
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
    assert answers.to_text(answer(number, confidence), PLAIN) == line
    assert answers.caption(answer(number, confidence), PLAIN) == line.replace("  ", "\n")


def test_a_box_of_its_own_follows_the_file():
    boxed = answer("7", 0.5, box=BOX)
    assert answers.to_text(boxed, BOXED) == "a b.png  0.1,2.5,0.2,4.5  7  0.500"
    assert answers.to_csv(boxed, BOXED) == "a b.png,0.1,2.5,0.2,4.5,7,0.5,"
    assert answers.csv_header(BOXED) == "file,left,top,width,height,number,confidence,error"
    row = json.loads(answers.to_json(boxed, BOXED))
    assert list(row) == ["file", "box", "number", "confidence"]
    assert row["box"] == [0.1, 2.5, 0.2, 4.5]


def test_an_error_without_a_box_has_the_same_columns():
    failed = answers.Answer(Input("-", "-"), error=DataError("-: standard input\n is empty"))
    assert answers.to_csv(failed, BOXED) == "-,,,,,,,standard input is empty"
    row = json.loads(answers.to_json(failed, BOXED))
    assert row == {"file": "-", "box": None, "error": "standard input is empty"}


@pytest.mark.parametrize("path, name", [("a\nb.png", "a\\nb.png"), ("a\r.png", "a\\r.png")])
def test_json_and_csv_give_the_path_and_text_the_printable_name(path, name):
    one = answer("7", 0.5, path)._replace(given=Input(name, path))
    assert answers.to_text(one, PLAIN) == f"{name}  7  0.500"
    assert json.loads(answers.to_json(one, PLAIN))["file"] == path
    assert "\n" not in answers.to_json(one, PLAIN)
    rows = csv.reader(io.StringIO(answers.to_csv(one, PLAIN), newline=""))
    assert list(rows) == [[path, "7", "0.5", ""]]


# -- other tasks -----------------------------------------------------------------------------------

OTHER = Form(tasks=(Task("digit", 3), Task("height", 1, "real")))
CERTAIN = {"class": 2, "probabilities": [0.01, 0.0089, 0.9811]}


def other(height, digit=CERTAIN, name="a b.png"):
    """Return the Answer of a class and a real number."""
    found = {"tasks": {"digit": digit, "height": {"value": height}}}
    return answers.Answer(Input(name, name), None, found)


def test_each_task_has_a_field_of_text():
    line = answers.to_text(other(171.23456789), OTHER)
    assert line == "a b.png  digit=2 (0.981)  height=171.235"
    assert line.split("  ")[1:] == ["digit=2 (0.981)", "height=171.235"]
    assert answers.caption(other(171.23456789), OTHER) == line.replace("  ", "\n")
    lost = other(None, {"class": None, "probabilities": [None] * 3})
    assert answers.to_text(lost, OTHER) == "a b.png  digit=- (-)  height=-"
    assert answers.to_csv(lost, OTHER) == "a b.png,,,,"


def test_csv_has_columns_for_each_task():
    assert answers.csv_header(OTHER) == "file,digit,digit_probability,height,error"
    assert answers.to_csv(other(171.25), OTHER) == "a b.png,2,0.9811,171.25,"
    failed = answers.Answer(Input("-", "-"), error=DataError("-: standard input is empty"))
    assert answers.to_csv(failed, OTHER) == "-,,,,standard input is empty"
    boxed = other(171.25)._replace(given=Input("a", "a", BOX))
    with_boxes = OTHER._replace(boxed=True)
    header = "file,left,top,width,height,digit,digit_probability,height,error"
    assert answers.csv_header(with_boxes) == header
    assert answers.to_csv(boxed, with_boxes) == "a,0.1,2.5,0.2,4.5,2,0.9811,171.25,"


@pytest.mark.parametrize(
    "text, options, column",
    [
        ("file:3", {}, "file"),
        ("error:real", {}, "error"),
        ("index:3", {"dataset": "npz"}, "index"),
        ("top:3", {"boxes": "boxes.csv"}, "top"),
        ("a:3,a_probability:3", {}, "a_probability"),
        ("index:3,top:2", {}, None),
        ("error:real", {"dataset": "npz"}, None),
        ("file:3", {"csv": False}, None),
    ],
)
def test_two_columns_of_one_name_are_refused(text, options, column):
    values = SimpleNamespace(**{"csv": True, "dataset": None, "boxes": None, **options})
    if column is None:
        answers.check_columns(values, tasks.parse(text))
        return
    with pytest.raises(UsageError, match=f"two columns named '{column}', because .*; use --json"):
        answers.check_columns(values, tasks.parse(text))


def test_examples_of_a_dataset_have_an_index_and_no_errors():
    form = OTHER._replace(key="index", errors=False)
    one = other(171.25)._replace(given=Input("7", 7))
    assert answers.csv_header(form) == "index,digit,digit_probability,height"
    assert answers.to_csv(one, form) == "7,2,0.9811,171.25"
    assert answers.to_text(one, form) == "7  digit=2 (0.981)  height=171.25"
    expected = {"index": 7, "tasks": {"digit": CERTAIN, "height": {"value": 171.25}}}
    assert json.loads(answers.to_json(one, form)) == expected


def test_caption_of_many_tasks_is_cut():
    many = [Task(f"t{number}", 1, "real") for number in range(20)]
    predicted = {"tasks": {task.name: {"value": 0.5} for task in many}}
    one = answers.Answer(Input("a", "a"), None, predicted)
    lines = answers.caption(one, Form(tasks=many)).split("\n")
    assert lines == ["a", *(f"t{number}=0.5" for number in range(8)), "..."]
    first_eight = Form(tasks=many[:8])
    assert answers.caption(one, first_eight).split("\n") == lines[:-1]


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
    others = {"index", "tasks", "class", "probabilities", "value"}
    for key in keys | others | {"box", "null", '""'}:
        assert key in line
