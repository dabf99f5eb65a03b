"""The tables and charts of the page of a comparison."""

import pytest

from mtl.lab import sections, summary, training_sections
from mtl.lab.statistics import Mean
from mtl.tasks import NUMBER_TASKS
from tests import html_check
from tests.lab import made


def parsed(html):
    """Parse a section; return its node."""
    parser = html_check._Parser()
    parser.feed(html)
    parser.close()
    return parser.root


@pytest.mark.parametrize(
    "mean, spec, signed, text",
    [
        (None, ".2%", False, "–"),
        (Mean(0.912, 0.0041, 5), ".2%", False, "91.20% ± 0.41"),
        (Mean(0.012, 0.0041, 5), ".2%", True, "+1.20% ± 0.41"),
        (Mean(-0.012, None, 1), ".4f", True, "-0.0120"),
        (Mean(1.86281, 0.89755, 2), ".5g", False, "1.8628 ± 0.9"),
    ],
)
def test_a_mean_as_text(mean, spec, signed, text):
    assert sections.shown(mean, spec, signed=signed) == text


def test_results_have_a_row_for_each_variant_and_sort_only_the_chart():
    comparison = summary.make(made.seeds(("linear", [0.5, 0.5]), ("log_sum", [0.75, 0.75])))
    found = parsed(sections.results(comparison))
    assert found.all("table")[0].rows() == [
        ["variant", "score", "difference", "Delta-m", "mean rank", "seeds"],
        ["linear", "0.5000 ± 0.0000", "–", "–", "2.00", "2"],
        ["log_sum", "0.7500 ± 0.0000", "+0.2500 ± 0.0000", "–", "1.00", "2"],
    ]
    assert [each.text for each in found.all("text", class_="left")] == ["log_sum", "linear"]
    assert len(found.all("table")) == 1, "exact match has no values"
    assert "add single to --objectives" in found.text


def test_test_comes_before_validation():
    results = made.seeds(("linear", [0.5]))
    results[0] = results[0]._replace(test=made.evaluation(4, 0.25, 0.125, 1.0))
    comparison = summary.make(results)
    found = parsed(sections.results(comparison))
    assert [each.text for each in found.all("h3")] == ["Test", "Validation"]
    tables = parsed(sections.tasks(comparison)).all("table")
    assert tables[0].one("caption").text == "Accuracy of each task of kind classes on test"
    assert tables[0].rows()[1] == ["linear", "12.50%"]


def test_results_of_numbers_have_their_other_metrics():
    totals = {"sequence_accuracy": 0.5, "character_accuracy": 0.75, "coverage_at_98": 0.25}
    tasks = {task.name: {"accuracy": 0.5, "loss": 1.0} for task in NUMBER_TASKS}
    values = {"objective": ["linear", "single"]}
    found = []
    for run in made.runs(values, tasks="numbers", dataset="synthetic", data_dir=""):
        best = made.evaluation(4, 0.5, 0.5, 1.0)._replace(totals=totals, tasks=tasks)
        found.append(made.result(run, best))
    comparison = summary.make(found)
    tables = parsed(sections.results(comparison)).all("table")
    assert tables[0].rows()[0][1] == "sequence accuracy"
    assert tables[0].rows()[2][1] == "–", "six networks have no sequence accuracy"
    assert tables[1].rows() == [
        ["variant", "character accuracy", "coverage at 98%"],
        ["linear", "75.00%", "25.00%"],
        ["single", "–", "–"],
    ]
    assert len(parsed(sections.tasks(comparison)).all("table")[0].rows()[0]) == 7


def test_tasks_of_different_kinds_have_tables_of_their_own():
    found = parsed(sections.tasks(summary.make(made.seeds(("linear", [0.5])))))
    captions = [each.text for each in found.all("caption")]
    assert captions == [
        "Accuracy of each task of kind classes on validation",
        "RMSE of each task of kind real on validation",
        "Loss of each task of kind classes on validation",
        "Loss of each task of kind real on validation",
    ]


def test_names_of_variants_are_escaped():
    run = made.runs({"objective": ["linear"]})[0]._replace(variant=(("data_dir", "<b>&"),))
    comparison = summary.make([made.result(run, made.evaluation(4, 0.5, 0.5, 1.0))])
    for section in (sections.results, sections.tasks, training_sections.training):
        assert "data_dir=&lt;b&gt;&amp;" in section(comparison)


def test_without_a_result_there_are_dashes():
    results = [each._replace(ended=made.DIVERGED) for each in made.seeds(("linear", [0.5]))]
    comparison = summary.make(results)
    assert parsed(sections.results(comparison)).all("table")[0].rows()[1][1] == "–"
    assert sections.tasks(comparison) == ""
