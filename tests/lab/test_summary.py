"""Means, differences, Delta-m and ranks of variants, by hand."""

import pytest

from mtl.lab import summary
from mtl.lab.statistics import mean_of
from mtl.tasks import Task
from tests.lab import made


def test_score_is_the_mean_over_the_seeds():
    found = summary.make(made.seeds(("linear", [0.5, 0.7]), ("log_sum", [0.6, 0.9])))
    assert [each.score for each in found.validation] == [mean_of([0.5, 0.7]), mean_of([0.6, 0.9])]
    assert found.validation[0].tasks["a"]["accuracy"] == mean_of([0.5, 0.7])
    assert found.validation[0].tasks["h"]["rmse"] == mean_of([1.5, 1.3])
    assert [each.count for each in found.validation] == [2, 2]
    assert found.test is None


def test_difference_from_linear_is_seed_by_seed():
    found = summary.make(made.seeds(("log_sum", [0.6, 0.9, 0.5]), ("linear", [0.5, 0.7])))
    assert found.reference == "linear"
    assert found.validation[0].difference == mean_of([0.6 - 0.5, 0.9 - 0.7])
    assert found.validation[1].difference is None


def test_without_linear_the_first_variant_is_the_reference():
    found = summary.make(made.seeds(("log_sum", [0.5]), ("geometric", [0.75])))
    assert found.reference == "log_sum"
    assert found.validation[1].difference.mean == 0.25


def test_the_reference_has_the_same_other_flags():
    values = {"objective": ["linear", "log_sum"], "label_smoothing": [0.0, 0.2]}
    scores = [0.5, 0.6, 0.75, 0.9]
    results = []
    for run, score in zip(made.runs(values), scores):
        results.append(made.result(run, made.evaluation(4, score, score, 1.0)))
    found = summary.make(results)
    assert found.reference == "linear with the same other flags"
    differences = [each.difference and each.difference.mean for each in found.validation]
    assert differences == pytest.approx([None, None, 0.25, 0.3])


def test_delta_m_by_hand():
    results = made.seeds(("linear", [0.6]))
    for run in made.runs({"objective": ["single"], "seed": [0]}):
        results.append(made.result(run, made.evaluation(4, 0.5, 0.5, 2.0)))
    found = summary.make(results)
    # Accuracy 0.6 against 0.5 is 20% better; RMSE 1.4 against 2 is 30% better.
    assert found.validation[0].delta.mean == pytest.approx((0.2 + 0.3) / 2)
    assert found.validation[1].delta is None


def test_delta_m_needs_the_same_seeds_and_a_base_that_is_not_0():
    results = made.seeds(("linear", [0.6, 0.7]))
    for run in made.runs({"objective": ["single"], "seed": [1, 2]}):
        results.append(made.result(run, made.evaluation(4, 0.5, 0.5, 2.0)))
    assert summary.make(results).validation[0].delta.count == 1
    results = made.seeds(("linear", [0.6]))
    for run in made.runs({"objective": ["single"], "seed": [0]}):
        results.append(made.result(run, made.evaluation(4, 0.5, 0.0, 2.0)))
    assert summary.make(results).validation[0].delta is None


def test_rank_is_the_mean_over_the_tasks_without_single_task_networks():
    results = []
    values = {"objective": ["linear", "log_sum", "geometric", "single"]}
    figures = {"linear": (0.5, 1.0), "log_sum": (0.7, 2.0), "geometric": (0.6, 2.0)}
    for run in made.runs(values):
        accuracy, rmse = (0.9, 0.1) if run.task else figures[run.config.objective]
        results.append(made.result(run, made.evaluation(4, 0.5, accuracy, rmse)))
    found = [each.rank for each in summary.make(results).validation]
    assert found == [(3 + 1) / 2, (1 + 2.5) / 2, (2 + 2.5) / 2, None]


def test_variants_may_have_different_tasks():
    results = []
    for run in made.runs({"tasks": ["a:2", "a:2,h:real"]}):
        best = made.evaluation(4, 0.5, 0.5, 1.0)
        if run.config.tasks == "a:2":
            best = best._replace(tasks={"a": best.tasks["a"]})
        results.append(made.result(run, best))
    found = summary.make(results)
    assert [task.name for task in found.tasks] == ["a", "h"]
    assert [each.rank for each in found.validation] == [None, 1.25]


def test_a_variant_without_a_result_has_no_figures():
    results = made.seeds(("linear", [0.5]), ("log_sum", [0.5]))
    results[1] = results[1]._replace(ended=made.DIVERGED)
    found = summary.make(results).validation[1]
    assert (found.score, found.difference, found.rank, found.count) == (None, None, None, 0)


def test_test_is_summarised_apart():
    results = made.seeds(("linear", [0.5]), ("log_sum", [0.75]))
    results[1] = results[1]._replace(test=made.evaluation(4, 0.25, 0.25, 1.0))
    found = summary.make(results)
    assert [each.score and each.score.mean for each in found.test] == [None, 0.25]
    assert found.validation[1].score.mean == 0.75


@pytest.mark.parametrize(
    "task, expected",
    [
        (Task("a", 3), ("accuracy", True)),
        (Task("a", 2, "binary"), ("accuracy", True)),
        (Task("a", 1, "real"), ("rmse", False)),
    ],
)
def test_metric_that_compares_a_task(task, expected):
    assert summary.metric_of(task) == expected


def test_score_is_named_and_formatted_for_its_tasks():
    own = summary.make(made.seeds(("linear", [0.5])))
    assert summary.score_spec(own) == ("score", ".4f")
    run = made.runs({"seed": [0]}, best_by="a")[0]
    by_task = summary.make([made.result(run, made.evaluation(4, 0.5, 0.5, 1.0))])
    assert summary.score_spec(by_task) == ("score of a", ".2%")
