"""mtl.reports.report: the files of a report."""

import base64
import csv
import json
import sys

import numpy as np
import pytest
from html_check import tree
from made_reports import (
    MISTAKEN,
    OWN_TASKS,
    TRUE,
    evaluations,
    examples_of,
    made,
    many,
    outputs,
    own,
    own_evaluations,
    own_examples,
    own_outputs,
)
from PIL import Image

from mtl.errors import DataError
from mtl.reports import report, sheet, tables

pytestmark = pytest.mark.slow

CONFUSIONS = ("length", "digit1", "digit2", "digit3", "digit4", "digit5", "decoded_length")
TABLES = [f"confusion_{name}.csv" for name in CONFUSIONS]
TABLES += ["accuracy_by_length.csv", "coverage.csv", "reliability.csv"]
TABLES += ["mistakes.csv", "metrics.json"]
PLOTS = ["confusion.png", "accuracy_by_length.png", "coverage.png", "reliability.png"]
CURVES = ["curves.csv", "curves.png"]
PAGE = "index.html"
CAPTIONS = [
    "dir/8.png\ntrue 1\n> no number\n0.950",
    "dir/2.png\ntrue 7\n> 1\n0.902",
    "dir/5.png\ntrue 80\n> 8\n0.722",
    "dir/11.png\ntrue 13\n> 19\n0.064",
    "dir/7.png\ntrue 4040\n> 404\n0.008",
    "dir/9.png\ntrue 31415\n> more than 5 digits\n0.000",
]


def write(directory, rows=None, images=None):
    """Write a report; return its files (dict name -> bytes) and the lines that it logged."""
    said = []
    images = examples_of().inputs if images is None else images
    report.write(rows or made(), images, str(directory), said.append)
    return {path.name: path.read_bytes() for path in directory.iterdir()}, said


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A report with everything: its rows, directory, files and lines."""
    directory = tmp_path_factory.mktemp("report") / "a" / "b"
    rows = made(evaluations=evaluations())
    return (rows, directory, *write(directory, rows))


def test_writes_all_files(whole):
    _, _, files, said = whole
    assert sorted(files) == sorted([*TABLES, *PLOTS, *CURVES, "mistakes.png", PAGE])
    assert said == []


def test_tables_hold_the_rows(whole):
    rows, _, files, _ = whole
    expected = {f"confusion_{name}.csv": table for name, table in rows.tables.items()}
    expected |= {
        "accuracy_by_length.csv": rows.numbers.lengths,
        "coverage.csv": rows.numbers.coverage,
        "reliability.csv": rows.numbers.reliability,
        "mistakes.csv": rows.mistakes,
        "curves.csv": rows.curves.rows,
    }
    for name, table in expected.items():
        for found, row in zip(
            csv.DictReader(files[name].decode().splitlines()), table, strict=True
        ):
            cells = {column: "" if value is None else str(value) for column, value in row.items()}
            assert found == cells, name
        assert b"\r" not in files[name] and files[name].endswith(b"\n")
    assert json.loads(files["metrics.json"]) == rows.metrics


def test_the_sheet_shows_the_mistakes(whole):
    _, directory, _, _ = whole
    images = examples_of().inputs[MISTAKEN]
    expected = sheet.draw(images, CAPTIONS, columns=8, scale=2, marks=[False] * 6)
    drawn = Image.open(directory / "mistakes.png")
    np.testing.assert_array_equal(np.asarray(drawn), np.asarray(expected))


def test_the_page_holds_the_plots_and_the_mistakes(whole):
    _, _, files, _ = whole
    images = tree(files[PAGE].decode()).all("img")
    sources = {image.attributes["src"].split(",")[1] for image in images}
    assert len(images) == len(sources) == 5 + 6
    for name in [*PLOTS, "curves.png"]:
        assert base64.b64encode(files[name]).decode() in sources


def test_the_same_outputs_give_the_same_bytes(quick, tmp_path):
    assert write(tmp_path / "a") == write(tmp_path / "b")


def test_without_a_mistake_an_earlier_sheet_is_removed(quick, tmp_path):
    assert "mistakes.png" in write(tmp_path)[0]
    correct = [number if len(number) <= 5 else None for number in TRUE]
    files, said = write(tmp_path, made(outputs(correct)))
    assert files["mistakes.csv"] == b"name,true,predicted,confidence\n"
    assert "mistakes.png" not in files
    assert said == [f"{tmp_path}: no mistakes, so no mistakes.png"]


def test_the_sheet_has_at_most_the_given_number_of_mistakes(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "SHOWN", 4)
    _, said = write(tmp_path)
    assert said == [f"{tmp_path}: mistakes.png shows the 4 most confident of 6 mistakes"]
    expected = sheet.draw(examples_of().inputs[:4], ["1\n2\n3\n4"] * 4, columns=8, scale=2)
    assert Image.open(tmp_path / "mistakes.png").size == expected.size


def test_without_matplotlib_all_but_the_plots_is_written(tmp_path, monkeypatch):
    for name in [*PLOTS, *CURVES, PAGE, "confusion_length.csv"]:
        (tmp_path / name).write_bytes(b"of an earlier report")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files, (line,) = write(tmp_path)
    assert sorted(files) == sorted([*TABLES, "mistakes.png", PAGE])
    assert "\n" not in line and "pip install 'mtl[plot]'" in line
    assert "pip install 'mtl[plot]'" in tree(files[PAGE].decode()).text


def test_a_file_name_that_is_not_utf_8_is_escaped(quick, tmp_path):
    examples = examples_of()
    examples.names[8] = "caf\udce9.png"  # as os.listdir returns a name in Latin-1
    files, _ = write(tmp_path, made(examples=examples))
    assert b"caf\\udce9.png,1,no number," in files["mistakes.csv"]


def test_a_report_that_fails_leaves_no_page_of_an_earlier_one(quick, tmp_path, monkeypatch):
    def fail(drawn, path):
        raise OSError(28, "No space left on device")

    write(tmp_path)
    monkeypatch.setattr(sheet, "save", fail)
    with pytest.raises(OSError):
        write(tmp_path)
    assert not (tmp_path / PAGE).exists()


def test_a_broken_network_has_a_report(tmp_path):
    log_probs = {name: np.full_like(rows, np.nan) for name, rows in outputs().items()}
    rows = made(log_probs)
    files, _ = write(tmp_path, rows)
    assert set(PLOTS) < set(files) and json.loads(files["metrics.json"])["cost"] is None
    assert len(rows.numbers.coverage) == 1 and sum(row["0"] for row in rows.tables["length"]) == 12


def test_no_examples_have_a_report(tmp_path):
    nothing = examples_of([])
    files, _ = write(tmp_path, made(outputs([], []), nothing), nothing.inputs)
    assert files["coverage.csv"] == b"threshold,answered,correct,coverage,accuracy\n"
    assert set(PLOTS) < set(files)


@pytest.mark.parametrize("name", [PAGE, "metrics.json", "coverage.csv", "confusion.png"])
def test_rejects_a_folder_with_foreign_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"foreign")
    reason = f"{tmp_path}: has a file {name}, but no report of mtl; choose another --report"
    with pytest.raises(DataError, match=reason):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"foreign"


def test_numbers_replace_a_report_of_own_tasks_and_the_reverse(quick, tmp_path):
    numbers, _ = write(tmp_path / "a")
    own_files, _ = write_own(tmp_path / "b")
    assert write_own(tmp_path / "a")[0] == own_files
    assert write(tmp_path / "b")[0] == numbers


# -- your own tasks --------------------------------------------------------------------------------

OWN_FILES = [
    "metrics_by_task.csv",
    "confusion_digit.csv",
    "confusion_odd.csv",
    "table_height.csv",
    "mistakes.csv",
    "metrics.json",
    PAGE,
]


def write_own(directory, rows=None, examples=None):
    """Write a report of your own tasks; return its files and the lines that it logged."""
    examples = examples or own_examples()
    return write(directory, rows or own(examples=examples), examples.inputs)


def csv_of(content):
    return list(csv.DictReader(content.decode().splitlines()))


def test_own_tasks_have_their_files(quick, tmp_path):
    rows = own(evaluations=own_evaluations())
    files, said = write_own(tmp_path, rows)
    plots = ["mistakes.png", "confusion.png", "curves.png", "curves.csv"]
    assert sorted(files) == sorted([*OWN_FILES, *plots]) and said == []
    assert json.loads(files["metrics.json"]) == rows.metrics
    assert csv_of(files["curves.csv"])[2]["loss_height"] == str(3 / 4)
    mistakes = csv_of(files["mistakes.csv"])
    assert [row["task"] for row in mistakes] == ["digit"] * 2 + ["odd"] + ["height"] * 4
    assert mistakes[0]["predicted"] == "1"


def test_metrics_by_task_have_one_row_for_each_task(quick, tmp_path):
    rows = own()
    found = csv_of(write_own(tmp_path, rows)[0]["metrics_by_task.csv"])
    assert [row["task"] for row in found] == ["digit", "odd", "height"]
    digit, _, height = found
    values = rows.metrics["tasks"]["digit"]
    assert float(digit["accuracy"]) == values["accuracy"] and digit["r2"] == ""
    assert [float(digit[end]) for end in ("low_95", "high_95")] == values["accuracy_95"]
    assert float(height["rmse"]) == rows.metrics["tasks"]["height"]["rmse"]
    assert (digit["table"], height["table"]) == ("confusion_digit.csv", "table_height.csv")


def test_the_sheet_of_own_tasks_shows_grey_images_enlarged(quick, tmp_path):
    rows = own()
    write_own(tmp_path, rows)
    images = own_examples().inputs[rows.mistaken].repeat(3, axis=3)
    captions = ["dir/2.png\ndigit\ntrue 2\n> 1\n2.303"] + ["1\n2\n3\n4\n5"] * 6
    expected = np.asarray(
        sheet.draw(images, captions, columns=8, scale=2, marks=[False] * 3 + [None] * 4)
    )
    drawn = np.asarray(Image.open(tmp_path / "mistakes.png"))
    first = expected.shape[1] // 7
    np.testing.assert_array_equal(drawn[:, :first], expected[:, :first])


def test_features_have_no_sheet_and_real_tasks_alone_no_confusion(quick, tmp_path):
    files, said = write_own(tmp_path, examples=own_examples(shape=(4,)))
    assert sorted(files) == sorted([*OWN_FILES, "confusion.png"]) and said == []
    files, _ = write_own(tmp_path, own(own_tasks=OWN_TASKS[2:]))
    assert "confusion.png" not in files and "table_height.csv" in files


def test_tables_of_other_tasks_are_removed(quick, tmp_path):
    write_own(tmp_path)
    (tmp_path / "confusion_mine.csv").write_bytes(b"of the user")
    files, _ = write_own(tmp_path, own(own_tasks=OWN_TASKS[:1]))
    assert "confusion_digit.csv" in files and "confusion_mine.csv" in files
    assert "confusion_odd.csv" not in files and "table_height.csv" not in files


def test_a_damaged_list_of_tables_removes_nothing_else(quick, tmp_path):
    kept = tmp_path.parent / "confusion_x.csv"
    kept.write_bytes(b"of the user")
    (tmp_path / "metrics_by_task.csv").write_text("task,table\na,../confusion_x.csv\nb,\n\0\n")
    write_own(tmp_path)
    assert kept.read_bytes() == b"of the user"


def test_a_task_with_a_long_name_has_a_file(quick, tmp_path):
    rows = own(own_tasks=OWN_TASKS[:1])
    name = "a" * 300
    metrics = {**rows.metrics, "tasks": {name: rows.metrics["tasks"]["digit"]}}
    task = rows.tasks[0]._replace(name=name)
    rows = rows._replace(tasks=(task,), focus=[task], metrics=metrics, mistakes=[], mistaken=[],
                         shown=[], tables={name: rows.tables["digit"]})  # fmt: skip
    files, _ = write_own(tmp_path, rows)
    assert f"confusion_{'a' * 100}_0.csv" in files


def test_many_tasks_have_a_small_page_and_all_tables(quick, tmp_path):
    rows = many(30)
    images = np.zeros((40, 8, 8, 1), np.uint8)
    files, said = write(tmp_path, rows, images)
    assert sum(name.startswith("confusion_") for name in files) == 30
    count = len(csv_of(files["mistakes.csv"]))
    assert said == [f"{tmp_path}: mistakes.png shows 96 of {count} rows of mistakes.csv"]
    assert len(files[PAGE]) < 200_000


@pytest.mark.parametrize("nan", [False, True])
def test_no_examples_and_broken_outputs_of_own_tasks_have_a_report(tmp_path, nan):
    found, examples = own_outputs(), own_examples()
    if nan:
        found = {name: np.full_like(values, np.nan) for name, values in found.items()}
    else:
        found, examples = own_outputs([]), own_examples([])
    files, _ = write_own(tmp_path, own(found, examples), examples)
    assert set(OWN_FILES) <= set(files) and "confusion.png" in files
    assert json.loads(files["metrics.json"])["cost"] is None
