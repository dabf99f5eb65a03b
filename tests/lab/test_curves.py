"""Learning curves, weights and gradients of a variant over the steps."""

import pytest

from mtl.lab import curves, variants
from mtl.lab.statistics import mean_of
from tests.lab import made


def variant(*seeds, objective="linear"):
    """Return a variant; a seed is a list of (step, score, weights)."""
    values = {"objective": [objective], "seed": list(range(len(seeds)))}
    results = []
    for run, steps in zip(made.runs(values), seeds):
        evaluations = []
        for step, score, weights in steps:
            monitor = {"weights": weights, "norms": {"a": score}, "cosines": {"a h": -score}}
            evaluations.append(made.evaluation(step, score, 0.5, 1.0, **monitor))
        results.append(made.result(run, evaluations[-1], before=evaluations[:-1]))
    return variants.of_results(results)[0]


def test_curve_has_the_steps_that_all_seeds_have():
    found = variant([(2, 0.1, {}), (4, 0.3, {})], [(2, 0.2, {}), (3, 0.9, {}), (4, 0.5, {})])
    assert curves.scores(found) == [(2, mean_of([0.1, 0.2])), (4, mean_of([0.3, 0.5]))]


def test_weights_are_shares_of_their_sum():
    one = [(2, 0.1, {"a": 1.0, "h": 3.0}), (4, 0.2, {"a": 5.0, "h": 5.0})]
    two = [(2, 0.1, {"a": 3.0, "h": 1.0}), (4, 0.2, {})]
    found = curves.weights(variant(one, two))
    assert found == {"a": [(2, 0.5), (4, 0.5)], "h": [(2, 0.5), (4, 0.5)]}


def test_a_negative_weight_has_a_negative_share():
    found = curves.weights(variant([(2, 0.1, {"a": -1.0, "h": 3.0})]))
    assert found == {"a": [(2, -0.25)], "h": [(2, 0.75)]}


def test_without_weights_there_are_none():
    assert curves.weights(variant([(2, 0.1, {}), (4, 0.2, {"a": 0.0, "h": 0.0})])) == {}
    weights = {"a": 1.0, "h": 0.0}
    assert curves.weights(variant([(2, 0.1, weights)], objective="single")) == {}


def test_gradients_are_means_over_evaluations_and_seeds():
    found = variant([(2, 0.1, {}), (4, 0.2, {})], [(2, 0.3, {}), (4, 0.4, {})])
    assert curves.monitored(found, "norms") == {"a": pytest.approx(0.25)}
    assert curves.monitored(found, "cosines") == {"a h": pytest.approx(-0.25)}


def test_a_variant_without_a_result_has_no_curve():
    failed = made.seeds(("linear", [0.5]))[0]._replace(ended=made.DIVERGED)
    (found,) = variants.of_results([failed])
    assert curves.scores(found) == [] and curves.weights(found) == {}
