"""mtl.reports.own_sections: the header, the metrics and the worst predictions of your own tasks."""

import numpy as np
from made_reports import OWN_TASKS, own, own_examples, own_outputs, page_of
from read_pages import section, shows

from mtl.evaluation import by_task


def test_the_header_has_the_exact_match():
    header = page_of(own(own_tasks=OWN_TASKS[:2])).one("header").text
    # Examples 0, 1 and 4 are labelled for both tasks; 1 is wrong.
    assert "66.67%" in header and "2 of 3 examples are correct in every task" in header
    assert "95% interval 20.77% to 93.85%" in header


def test_without_an_exact_match_the_header_has_the_scores():
    document = page_of(own())
    assert document.one("header").all("strong") == []
    text = document.one("header").text
    assert "tasks 3" in text and "examples 5" in text and "exact match" not in text
    assert "digit: accuracy 50.00%" in text and "height: R2 " in text


def test_the_metrics_of_each_task_are_those_of_the_json():
    rows = own()
    found = section(rows, "tasks").all("table")
    for kind, table in zip(by_task.tables(rows.metrics, rows.tasks), found, strict=True):
        header, *lines = table.rows()
        assert header == [by_task.words(column) for column in kind.formats]
        for line, row in zip(lines, kind.rows, strict=True):
            name, *cells = line
            assert name == row["task"]
            values = [row[column] for column in kind.formats][1:]
            for cell, value, spec in zip(cells, values, list(kind.formats.values())[1:]):
                assert shows(cell, str(value)) if spec != ".5g" else float(cell) == round(value, 5)


def test_mistakes_are_listed_task_by_task():
    found = section(own(), "mistakes")
    assert [node.text for node in found.all("h3")] == [
        "digit: 2 of 2 wrong predictions",
        "odd: 1 of 1 wrong predictions",
        "height: the 4 largest errors",
    ]
    items = found.all("li")
    assert items[0].text == "true 2 predicted 1 loss 2.303 dir/2.png"
    assert items[3].text == "true 3 predicted 2.25 loss 2.250 dir/2.png"
    assert len(items) == len(found.all("img")) == 7


def test_features_have_a_table_of_mistakes_instead_of_images():
    examples = own_examples(shape=(4,))
    rows = own(examples=examples)
    document = page_of(rows, images=False)
    found = document.one("section", id="mistakes")
    assert found.all("img") == [] and len(found.all("table")) == 3
    assert found.all("table")[0].rows()[1] == ["dir/2.png", "2", "1", "2.3026"]


def test_nothing_labelled_and_no_mistakes():
    examples = own_examples()
    for labels in examples.labels.values():
        labels[:] = np.nan if labels.dtype.kind == "f" else -1
    document = page_of(own(examples=examples))
    assert "There are no labelled examples." in document.one("section", id="mistakes").text
    assert "nan" not in document.text and "None" not in document.text
    correct = own_outputs([(0, 0, 0.0, 0, 0, 0.0, 0.9)])
    report = own(correct, own_examples([(0, 0, 0.0, 0, 0, 0.0, 0.9)]), own_tasks=OWN_TASKS[:2])
    assert "There are no mistakes." in section(report, "mistakes").text
    assert "100.00%" in page_of(report).one("header").text


def test_no_examples():
    document = page_of(own(own_outputs([]), own_examples([])))
    assert "The dataset has no examples" in document.one("header").text
    assert "nan" not in document.text and "None" not in document.text


def test_broken_outputs_have_a_page():
    broken = {name: np.full_like(rows, np.nan) for name, rows in own_outputs().items()}
    found = section(own(broken), "mistakes")
    assert "predicted nan loss unknown" in found.text
