"""mtl.reports.number_sections: the numbers of the tables, and mistakes."""

import pytest
from made_reports import TRUE, evaluations, examples_of, made, outputs
from read_pages import csv_rows, same, section, shows, table_of, tables_of

from mtl.reports.number_tables import Temperatures

# -- tables ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything():
    """A report with curves, and the tables of its page, dict caption -> rows of text."""
    rows = made(evaluations=evaluations())
    return rows, tables_of(rows)


def test_the_page_has_a_table_for_each_csv(everything):
    assert len(everything[1]) == 14


def test_accuracy_by_length_equals_the_csv(everything):
    rows, found = everything
    for cells, values in zip(
        table_of(found, "true length"), csv_rows(rows.numbers.lengths), strict=True
    ):
        assert same(cells, values)


def test_reliability_equals_the_csv(everything):
    rows, found = everything
    cells = table_of(found, "ten bins of the confidence")
    for shown, values in zip(cells, csv_rows(rows.numbers.reliability), strict=True):
        assert same(shown, values)


def test_reliability_reports_the_error_and_both_temperatures():
    rows = made()
    numbers = rows.numbers._replace(
        temperatures=Temperatures(0.437, 0.5125), calibration_error=0.0306
    )
    rows = rows._replace(numbers=numbers)
    text = section(rows, "reliability").text
    for figure in ("0.031", "0.437", "0.5125"):
        assert figure in text


def test_coverage_shows_some_rows_of_the_csv_and_the_last(everything):
    rows, found = everything
    covered, points = table_of(found, "coverage"), csv_rows(rows.numbers.coverage)
    for cells in covered:
        assert any(same(cells, point) for point in points)
    assert same(covered[-1], points[-1])
    assert len({tuple(cells) for cells in covered}) == len(covered)


def test_tasks_show_the_metrics(everything):
    rows, found = everything
    cells = table_of(found, "each task")
    assert [row[0] for row in cells] == list(rows.metrics["task_accuracy"])
    for name, accuracy, loss in cells:
        assert shows(accuracy, str(rows.metrics["task_accuracy"][name]))
        assert shows(loss, str(rows.metrics["task_cross_entropy"][name]))


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
