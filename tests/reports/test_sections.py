"""mtl.reports.sections: errors, training and the run."""

import math

import pytest
from made_reports import (
    BESIDE,
    RUN,
    evaluations,
    made,
    many,
    own,
    own_evaluations,
    page_of,
)
from read_pages import csv_rows, same, section, table_of, tables_of

from mtl.reports import curves, page
from mtl.tasks import Task

# -- errors ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything():
    """A report with curves, and the tables of its page, dict caption -> rows of text."""
    rows = made(evaluations=evaluations())
    return rows, tables_of(rows)


def test_confusion_tables_equal_the_csv(everything):
    rows, found = everything
    for name, table in rows.tables.items():
        cells = csv_rows(table)
        correct = sum(int(row[i + 1]) for i, row in enumerate(cells))
        assert found[f"{name.replace('_', ' ')}: {correct} of 12 correct"] == cells


@pytest.mark.parametrize(
    "caption, first, metric",
    [
        ("Accuracy on validation", "sequence_accuracy", "accuracy"),
        ("Cost and cross entropy", "cost", "cross_entropy"),
    ],
)
def test_training_equals_the_csv(everything, caption, first, metric):
    rows, found = everything
    columns = ["step", first, *[f"{metric}_{name}" for name in rows.metrics["task_accuracy"]]]
    for cells, row in zip(table_of(found, caption), rows.curves.rows, strict=True):
        assert same(cells, [str(row[column]) for column in columns])


def test_a_confusion_cell_is_marked_by_its_share_of_the_true_class():
    rows = made()
    table = section(rows, "confusion").all("table")[0]
    for y, (line, row) in enumerate(zip(table.one("tbody").all("tr"), rows.tables["length"])):
        counts = list(row.values())[1:]
        for x, (cell, count) in enumerate(zip(line.all("td"), counts, strict=True)):
            expected = ["number"]
            if x == y:
                expected.append("hit")
            expected.append(f"s{math.ceil(10 * count / sum(counts))}" if count else "none")
            assert cell.attributes["class"].split() == expected


def test_own_tasks_have_a_matrix_or_a_table_of_errors():
    rows = own()
    found = {table.one("caption").text: table for table in section(rows, "confusion").all("table")}
    assert list(found) == ["digit: 2 of 4 correct", "odd: 3 of 4 correct", "Errors of height"]
    assert found["digit: 2 of 4 correct"].rows()[1:] == csv_rows(rows.tables["digit"])
    header, *cells = found["Errors of height"].rows()
    assert header == ["error from", "below", "examples", "share"]
    assert cells[0] == ["0", "0.05", "2", "50.0%"] and cells[-1][1] == page.NOTHING


def test_of_many_classes_the_most_frequent_errors_are_shown():
    rows = [{"true": 0, "predicted": i, "examples": 9} for i in range(50)]
    report = own()._replace(tables={"digit": rows, "odd": [], "height": []})
    found = section(report, "confusion")
    (table,) = found.all("table")
    assert len(table.rows()) == 41
    assert table.one("caption").text == "Errors of digit: the first 40 of 50 rows"
    assert "odd: no errors." in found.text and not found.all("details")


def test_of_many_tasks_a_part_is_shown_and_the_page_says_so():
    document = page_of(many(30))
    for name in ("confusion", "mistakes", "training"):
        text = document.one("section", id=name).text
        assert "Only the 12 tasks with the lowest score are shown." in text
    assert len(document.one("section", id="tasks").one("table").rows()) == 31
    assert len(document.one("section", id="confusion").all("table")) == 12


def test_a_long_name_is_cut_and_a_task_may_have_the_name_of_a_column():
    names = ["a" * 500, "cost", "step", "score"]
    own_tasks = tuple(Task(name, 3) for name in names)
    rows = many(4)
    report = rows._replace(
        tasks=own_tasks,
        focus=list(own_tasks),
        tables=dict(zip(names, rows.tables.values())),
        metrics={**rows.metrics, "tasks": dict(zip(names, rows.metrics["tasks"].values()))},
        mistakes=[],
        shown=[],
        curves=curves.make(own_evaluations(own_tasks=own_tasks), own_tasks),
    )
    document = page_of(report)
    assert "a" * 41 not in document.text
    header = document.one("section", id="training").all("table")[0].rows()[0]
    assert header == ["step", "score", "exact match", "a" * 39 + "\u2026", *names[1:]]


# -- plots, training and the run -------------------------------------------------------------------


def test_without_plots_the_page_says_how_to_get_them():
    document = page_of(made(evaluations=evaluations()), plots={})
    assert len(document.all("table")) == 14 and len(document.all("img")) == 6
    for name in ("lengths", "confidence", "reliability", "confusion", "training"):
        assert document.one("section", id=name).text.count("pip install 'mtl[plot]'") == 1


def test_a_run_without_evaluations_has_no_curves():
    found = section(made(), "training")
    assert found.all("table") == found.all("img") == [] and "metrics.jsonl" in found.text


@pytest.mark.parametrize("count, rows", [(40, 40), (41, 21), (1000, 40)])
def test_long_curves_are_thinned_and_end_with_the_last(count, rows):
    found = section(made(evaluations=evaluations(range(1, count + 1))), "training")
    for table in found.all("table"):
        assert len(table.rows()) == 1 + rows and table.rows()[-1][0] == f"{count:,}"
    assert ("curves.csv" in found.text) == (count > 40)


def test_flags_and_environment():
    found = section(made(), "run", run=RUN._replace(troubles=["The run directory has no x."]))
    assert found.one("pre").text == "--bottom=small --data_dir=a b"
    assert "The run directory has no x." in found.text
    assert found.one("table").rows()[1:] == [
        ["numpy", "1", "2", "no"],
        ["python", page.NOTHING, "3", page.NOTHING],
        ["abacus", "2", page.NOTHING, page.NOTHING],
    ]


def test_commands_and_files():
    found = section(made(), "again")
    assert [node.text for node in found.all("pre")] == ["mtl evaluate x", "mtl train y"]
    assert [node.attributes["href"] for node in found.all("a")] == BESIDE


def test_own_training_equals_the_csv():
    rows = own(evaluations=own_evaluations())
    found = tables_of(rows)
    columns = {
        "Accuracy on": ["score", "exact_match", "accuracy_digit", "accuracy_odd"],
        "R2 on": ["r2_height"],
        "Cost and loss": ["cost", "loss_digit", "loss_odd", "loss_height"],
    }
    for caption, names in columns.items():
        for cells, row in zip(table_of(found, caption), rows.curves.rows, strict=True):
            assert same(cells, [str(row[name]) for name in ("step", *names)])
