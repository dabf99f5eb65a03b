"""The rows and files of `mtl evaluate --report`, of outputs made by hand."""

import base64
import csv
import json
import sys

import numpy as np
import pytest
from html_check import tree
from made_reports import READ, SURE, TRUE, WRONG, evaluations, examples_of, made, outputs
from PIL import Image

from mtl import tasks
from mtl.errors import DataError
from mtl.reports import plot, report, sheet

# -- the rows -------------------------------------------------------------------------------------------------------------------------


def test_confusion_counts_each_pair_of_classes():
    rows = made().confusion
    assert list(rows) == [
        "length",
        "digit1",
        "digit2",
        "digit3",
        "digit4",
        "digit5",
        "decoded_length",
    ]
    assert list(rows["length"][0]) == ["true", "0", "1", "2", "3", "4", "5", "X"]
    assert list(rows["digit3"][0]) == ["true", *"0123456789", "X"]
    for task in tasks.NUMBER_TASKS:
        pairs = [
            (tasks.encode(t)[task.name], tasks.encode("999999" if r is None else r)[task.name])
            for t, r in zip(TRUE, READ)
        ]
        names = [str(i) for i in range(task.classes - 1)] + ["X"]
        counted = {(row["true"], name): row[name] for row in rows[task.name] for name in names}
        assert counted == {
            (a, b): pairs.count((i, j)) for i, a in enumerate(names) for j, b in enumerate(names)
        }
    assert (
        rows["decoded_length"] == rows["length"]
    )  # as each length is decoded here to what it is read as


def test_the_decoded_length_is_not_the_likeliest_length():
    # Three digits are a little likelier than two, but no third digit is likely: the number has two.
    log_probs = outputs(["21"], [0.9])
    log_probs["length"][0, [2, 3]] = np.log([0.4, 0.5])
    rows = made(log_probs, examples_of(["21"])).confusion
    assert (rows["length"][2]["3"], rows["decoded_length"][2]["3"]) == (1, 0)
    assert (rows["length"][2]["2"], rows["decoded_length"][2]["2"]) == (0, 1)


def test_accuracy_by_length():
    rows = made().lengths
    assert [row["length"] for row in rows] == ["0", "1", "2", "3", "4", "5", "X"]
    assert [row["examples"] for row in rows] == [1, 3, 3, 1, 1, 2, 1]
    assert [row["right"] for row in rows] == [1, 1, 1, 1, 0, 1, 1]
    assert [row["accuracy"] for row in rows] == pytest.approx([1, 1 / 3, 1 / 3, 1, 0, 1 / 2, 1])
    wrong = [(row["most_frequent_wrong_length"], row["times"]) for row in rows]
    assert wrong == [(None, 0), ("0", 1), ("1", 1), (None, 0), ("3", 1), ("X", 1), (None, 0)]
    assert rows[1]["low_95"] == pytest.approx(0.0615, abs=1e-4) and rows[1][
        "high_95"
    ] == pytest.approx(0.7923, abs=1e-4)  # Wilson, 1 of 3
    assert rows[1]["mean_confidence"] == pytest.approx((0.95**2 + 0.95 + 0.55**2) / 3, rel=1e-5)


def test_of_equally_frequent_wrong_lengths_the_shorter_is_named():
    rows = made(outputs(["123", "1", "12", "1234", ""], [0.9] * 5), examples_of(["55"] * 5)).lengths
    assert (rows[2]["most_frequent_wrong_length"], rows[2]["times"]) == ("0", 1)
    assert rows[3] == {
        column: "3"
        if column == "length"
        else 0
        if column in ("examples", "right", "times")
        else None
        for column in rows[3]
    }


def test_the_coverage_curve_agrees_with_the_metric():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        sure = rng.integers(40, 99, 300) / 100  # ties
        read = [str(n) for n in rng.integers(0, 999, 300)]
        true = [n if rng.random() < 0.6 + 0.4 * p else "0" for n, p in zip(read, sure)]
        got = made(outputs(read, sure), examples_of(true))
        reached = [row["coverage"] for row in got.coverage if row["accuracy"] >= 0.98]
        assert max(reached, default=0.0) == got.metrics["coverage_at_98"]
        assert [row["accuracy"] for row in got.coverage] == [
            row["right"] / row["answered"] for row in got.coverage
        ]
        thresholds = [row["threshold"] for row in got.coverage]
        assert thresholds == sorted(set(thresholds), reverse=True)
        assert (got.coverage[-1]["coverage"], got.coverage[-1]["accuracy"]) == (
            1.0,
            got.metrics["sequence_accuracy"],
        )


def test_mistakes_are_all_listed_the_surest_first():
    got = made()
    assert got.mistaken == WRONG
    assert [row["name"] for row in got.mistakes] == [f"dir/{i}.png" for i in WRONG]
    assert [(row["true"], row["predicted"]) for row in got.mistakes] == [
        ("1", ""), ("7", "1"), ("80", "8"), ("13", "19"), ("4040", "404"), ("31415", "X"),
    ]  # fmt: skip
    powers = [1, 2, 2, 3, 4, 6]
    assert [row["confidence"] for row in got.mistakes] == pytest.approx(
        [SURE[i] ** n for i, n in zip(WRONG, powers)], rel=1e-5
    )


def test_mistakes_of_equal_confidence_stay_in_order_and_without_one_come_last():
    log_probs = outputs(["1"] * 5, [0.5, 0.9, 0.5, 0.9, 0.7])
    log_probs["length"][1] = np.nan
    got = made(log_probs, examples_of(["22"] * 5))
    assert got.mistaken == [3, 4, 0, 2, 1]
    assert got.mistakes[-1]["confidence"] is None and got.coverage[-1]["threshold"] is None
    assert got.coverage[-1]["answered"] == 5


def test_evaluations_are_flattened():
    first, last = made(evaluations=evaluations((10, 30))).curves
    assert (
        list(first) == list(last)
        and list(first)[:2] == ["step", "sequence_accuracy"]
        and len(first) == 5 + 2 * 6
    )
    assert (last["step"], last["sequence_accuracy"], last["cost"]) == (30, 1 / 32, -0.5)
    assert (last["accuracy_digit5"], last["cross_entropy_length"]) == (2 / 64 + 5 / 512, 32)


@pytest.mark.parametrize("value", ["<img>", float("nan"), 1e300, 10**400, True, None, [], {}])
def test_what_is_no_number_in_an_evaluation_is_an_empty_cell(value):
    (line,) = evaluations((10,))
    line["task_accuracy"]["digit1"] = line["cost"] = line["task_cross_entropy"] = value
    (row,) = made(evaluations=[line, {**line, "step": value}, {**line, "step": 1.5}]).curves
    empty = [
        "cost",
        "accuracy_digit1",
        *(f"cross_entropy_{task.name}" for task in tasks.NUMBER_TASKS),
    ]
    assert [name for name, held in row.items() if held is None] == empty


# -- the files ------------------------------------------------------------------------------------------------------------------------


TABLES = [
    f"confusion_{name}.csv"
    for name in ("length", "digit1", "digit2", "digit3", "digit4", "digit5", "decoded_length")
]
TABLES += ["accuracy_by_length.csv", "coverage.csv", "mistakes.csv", "metrics.json"]
PLOTS = ["confusion.png", "accuracy_by_length.png", "coverage.png", "curves.png"]
CURVES = ["curves.csv", "curves.png"]
PAGE = "index.html"


@pytest.fixture
def quick(monkeypatch):
    """Let the plots be empty files: each takes a second."""
    for name in report.PLOTS:
        monkeypatch.setattr(plot, name, lambda rows, path: open(path, "wb").close())


def written(directory, got, images):
    said = []
    report.write(got, images, str(directory), said.append)
    return {path.name: path.read_bytes() for path in directory.iterdir()}, said


def test_the_files_hold_the_rows(tmp_path):
    got, images = made(evaluations=evaluations()), examples_of().images
    contents, said = written(tmp_path / "a" / "b", got, images)
    assert (
        sorted(contents) == sorted([*TABLES, *PLOTS, "curves.csv", "mistakes.png", PAGE])
        and said == []
    )
    tables = {f"confusion_{name}.csv": rows for name, rows in got.confusion.items()}
    tables |= {
        "accuracy_by_length.csv": got.lengths,
        "coverage.csv": got.coverage,
        "mistakes.csv": got.mistakes,
        "curves.csv": got.curves,
    }
    for name, rows in tables.items():
        read = list(csv.DictReader(contents[name].decode().splitlines()))
        # A float reads back to the bit.
        assert read == [
            {column: "" if value is None else str(value) for column, value in row.items()}
            for row in rows
        ], name
        assert b"\r" not in contents[name] and contents[name].endswith(b"\n")
    assert json.loads(contents["metrics.json"]) == got.metrics
    captions = [
        "1 > none\n0.950",
        "7 > 1\n0.902",
        "80 > 8\n0.722",
        "13 > 19\n0.064",
        "4040 > 404\n0.008",
        "31415 > X\n0.000",
    ]
    wanted = sheet.draw(images[WRONG], captions, columns=8, scale=2, marks=[False] * 6)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "a" / "b" / "mistakes.png")), np.asarray(wanted)
    )
    pictures = tree(contents[PAGE].decode()).all("img")
    assert len(pictures) == 4 + 6 and len({picture.attributes["src"] for picture in pictures}) == 10
    for node in pictures[:3]:
        assert node.attributes["src"].split(",")[1] in {
            base64.b64encode(contents[name]).decode() for name in PLOTS
        }


def test_the_same_outputs_give_the_same_bytes(quick, tmp_path):
    first, second = (written(tmp_path / name, made(), examples_of().images)[0] for name in "ab")
    assert first == second


def test_without_a_mistake_the_table_is_a_header_and_no_sheet_stays(quick, tmp_path):
    images = examples_of().images
    assert "mistakes.png" in written(tmp_path / "a", made(), images)[0]
    contents, said = written(
        tmp_path / "a", made(outputs([n if len(n) < 6 else None for n in TRUE])), images
    )
    assert contents["mistakes.csv"] == b"name,true,predicted,confidence\n"
    assert "mistakes.png" not in contents and said == [
        f"{tmp_path / 'a'}: no mistakes, so there is no mistakes.png"
    ]


def test_the_sheet_is_bounded(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MISTAKES", 4)
    written(tmp_path, made(), examples_of().images)
    wanted = sheet.draw(examples_of().images[:4], ["1\n2"] * 4, columns=8, scale=2)
    assert Image.open(tmp_path / "mistakes.png").size == wanted.size


def test_without_matplotlib_the_tables_and_the_sheet_are_written(tmp_path, monkeypatch):
    for name in [*PLOTS, "curves.csv", PAGE, "confusion_length.csv"]:
        (tmp_path / name).write_bytes(b"of an earlier report")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    contents, said = written(tmp_path, made(), examples_of().images)
    assert sorted(contents) == sorted([*TABLES, "mistakes.png", PAGE])
    assert "pip install 'mtl[plot]'" in tree(contents[PAGE].decode()).text
    assert len(said) == 1 and "\n" not in said[0] and "pip install 'mtl[plot]'" in said[0]


def test_a_file_name_that_is_not_utf_8_is_shown(quick, tmp_path):
    examples = examples_of()
    examples.names[8] = "caf\udce9.png"  # as os.listdir gives a name in Latin-1
    contents, _ = written(tmp_path, made(examples=examples), examples.images)
    assert b"caf\\udce9.png,1,," in contents["mistakes.csv"]


def test_a_report_that_is_cut_short_has_no_page(quick, tmp_path, monkeypatch):
    written(tmp_path, made(), examples_of().images)
    monkeypatch.setattr(
        sheet,
        "save",
        lambda picture, path: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(OSError):
        written(tmp_path, made(), examples_of().images)
    assert not (tmp_path / PAGE).exists()  # the earlier one would stand over tables of this one


def test_a_broken_network_is_reported_all_the_same(tmp_path):
    log_probs = {name: np.full_like(rows, np.nan) for name, rows in outputs().items()}
    got = made(log_probs)
    contents, _ = written(tmp_path, got, examples_of().images)
    assert (
        set(PLOTS) - set(CURVES) < set(contents)
        and json.loads(contents["metrics.json"])["cost"] is None
    )
    assert len(got.coverage) == 1 and sum(row["0"] for row in got.confusion["length"]) == 12


def test_nothing_to_report(tmp_path):
    got = made(outputs([], []), examples_of([]))
    assert (
        got.coverage == got.mistakes == [] and [row["examples"] for row in got.lengths] == [0] * 7
    )
    contents, _ = written(tmp_path, got, examples_of([]).images)
    assert contents["coverage.csv"] == b"threshold,answered,right,coverage,accuracy\n" and set(
        PLOTS
    ) - set(CURVES) < set(contents)


@pytest.mark.parametrize("name", [PAGE, "metrics.json", "coverage.csv", "confusion.png"])
def test_a_folder_of_something_else_is_left_as_it_is(tmp_path, name):
    (tmp_path / name).write_bytes(b"the page of somebody else")
    with pytest.raises(
        DataError, match=f"{tmp_path}: holds {name}, and no report of mtl; choose another --report"
    ):
        written(tmp_path, made(), examples_of().images)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (
        tmp_path / name
    ).read_bytes() == b"the page of somebody else"
