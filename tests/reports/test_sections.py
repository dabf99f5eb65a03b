"""mtl.reports.sections: the numbers of the tables, mistakes, training and the run."""

import csv
import io
import math
import re

import pytest
from made_reports import BESIDE, RUN, TRUE, evaluations, examples_of, made, outputs, page_of

from mtl.reports import page, tables


def section(rows, name, **options):
    """Return a section of the page of a report."""
    return page_of(rows, **options).one("section", id=name)


# -- tables ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything():
    """A report with curves: its rows, and the tables of its page, dict caption -> rows of text."""
    rows = made(evaluations=evaluations())
    document = page_of(rows)
    found = {table.one("caption").text: table.rows()[1:] for table in document.all("table")}
    assert len(found) == len(document.all("table")) == 14
    return rows, found


def table_of(found, text):
    """Return the only table whose caption holds a text."""
    (rows,) = [rows for caption, rows in found.items() if text in caption]
    return rows


def csv_rows(rows):
    return list(csv.reader(io.StringIO(tables.to_csv(rows))))[1:]


def shows(cell, value):
    """Return whether a cell of the page shows a value of a CSV file, to the digits it has."""
    number = re.fullmatch(r"(-?[\d,]+)(\.\d+)?(%?)", cell)
    if not number or not value:
        return cell == (value or page.NOTHING)
    unit = 0.01 if number[3] else 1.0
    last = unit * 10.0 ** -(len(number[2] or ".") - 1)
    found = unit * float(cell.replace(",", "").rstrip("%"))
    return abs(found - float(value)) <= last / 2 + 1e-9


def same(cells, values):
    return all(shows(cell, value) for cell, value in zip(cells, values, strict=True))


def test_confusion_tables_equal_the_csv(everything):
    rows, found = everything
    for name, table in rows.confusion.items():
        cells = csv_rows(table)
        correct = sum(int(row[i + 1]) for i, row in enumerate(cells))
        assert found[f"{name.replace('_', ' ')}: {correct} of 12 correct"] == cells


def test_accuracy_by_length_equals_the_csv(everything):
    rows, found = everything
    for cells, values in zip(table_of(found, "true length"), csv_rows(rows.lengths), strict=True):
        assert same(cells, values)


def test_reliability_equals_the_csv(everything):
    rows, found = everything
    cells = table_of(found, "ten bins of the confidence")
    for shown, values in zip(cells, csv_rows(rows.reliability), strict=True):
        assert same(shown, values)


def test_reliability_reports_the_error_and_both_temperatures():
    temperatures = tables.Temperatures(0.437, 0.5125)
    rows = made()._replace(temperatures=temperatures, calibration_error=0.0306)
    text = section(rows, "reliability").text
    for figure in ("0.031", "0.437", "0.5125"):
        assert figure in text


def test_coverage_shows_some_rows_of_the_csv_and_the_last(everything):
    rows, found = everything
    covered, points = table_of(found, "coverage"), csv_rows(rows.coverage)
    for cells in covered:
        assert any(same(cells, point) for point in points)
    assert same(covered[-1], points[-1])
    assert len({tuple(cells) for cells in covered}) == len(covered)


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
    for cells, row in zip(table_of(found, caption), rows.curves, strict=True):
        assert same(cells, [str(row[column]) for column in columns])


def test_tasks_show_the_metrics(everything):
    rows, found = everything
    cells = table_of(found, "each task")
    assert [row[0] for row in cells] == list(rows.metrics["task_accuracy"])
    for name, accuracy, loss in cells:
        assert shows(accuracy, str(rows.metrics["task_accuracy"][name]))
        assert shows(loss, str(rows.metrics["task_cross_entropy"][name]))


def test_a_confusion_cell_is_marked_by_its_share_of_the_true_class():
    rows = made()
    table = section(rows, "confusion").all("table")[0]
    for y, (line, row) in enumerate(zip(table.one("tbody").all("tr"), rows.confusion["length"])):
        counts = list(row.values())[1:]
        for x, (cell, count) in enumerate(zip(line.all("td"), counts, strict=True)):
            expected = ["number"]
            if x == y:
                expected.append("hit")
            expected.append(f"s{math.ceil(10 * count / sum(counts))}" if count else "none")
            assert cell.attributes["class"].split() == expected


# -- mistakes --------------------------------------------------------------------------------------


def test_a_mistake_has_an_image_and_its_description():
    items = section(made(), "mistakes").all("li")
    assert items[0].text == "true 1 predicted no number confidence 0.950 dir/8.png"
    assert items[1].text == "true 7 predicted 1 confidence 0.902 dir/2.png"
    alt = "Image dir/8.png: true 1, predicted no number, confidence 0.950"
    assert items[0].one("img").attributes["alt"] == alt
    assert "true 31415 predicted more than 5 digits" in items[-1].text


def test_shows_96_mistakes_and_how_many_there_are():
    rows = made(outputs(["1"] * 120, [0.5] * 120), examples_of(["2"] * 120))
    found = section(rows, "mistakes")
    assert len(found.all("img")) == 96
    assert "The 96 most confident of 120 wrong numbers" in found.text


def test_no_mistakes():
    correct = [number if len(number) <= 5 else None for number in TRUE]
    assert "no mistakes" in section(made(outputs(correct)), "mistakes").text


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
