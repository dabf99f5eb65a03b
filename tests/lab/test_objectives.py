"""Settings that only some objectives use."""

import pytest

from mtl import catalogue
from mtl.config import Config
from mtl.errors import UsageError
from mtl.lab import objectives


def settings(**changed):
    return {**vars(Config(tasks="a:2,b:3", dataset="npz", data_dir="x")), **changed}


def test_uses_what_the_file_of_the_objective_says():
    assert objectives.uses("log_sum", "clip_min") and not objectives.uses("linear", "clip_min")
    assert objectives.uses("linear", "task_weights")
    assert not objectives.uses("my_code:cost", "clip_min")
    with_options = [name for name in catalogue.NAMES if catalogue.entry(name).options]
    for name in with_options:
        assert objectives.uses(name, "objective_options")
    assert not objectives.uses("linear", "objective_options")


def test_fitted_keeps_only_the_options_of_the_objective(monkeypatch):
    entry = catalogue.entry("log_sum")._replace(options={"mu": (1.0, 0.0, 9.0)})
    monkeypatch.setattr(catalogue, "entry", lambda name: entry)
    found = objectives.fitted(settings(objective_options="mu:2,c:0.5", clip_max=9.0))
    assert (found["objective_options"], found["clip_max"]) == ("mu:2", 9.0)
    assert objectives.parts(found) == {("objective_options", "mu:2"), ("clip_max", 9.0)}


def test_fitted_changes_nothing_else():
    given = settings(objective="linear", clip_min=1e-6, dropout=0.5, task_weights="1,2")
    expected = {**given, "clip_min": Config().clip_min}
    assert objectives.fitted(given) == expected
    assert given["clip_min"] == 1e-6


def test_single_is_the_plain_sum_with_one_weight():
    found = objectives.single(settings(clip_min=1e-6, label_smoothing=0.3), "b")
    config = Config(**found)  # is valid
    assert (config.objective, config.task_weights, config.best_by) == ("linear", "0,1", "b")
    assert config.label_smoothing == 0.3


def test_check_used_names_the_part_without_an_effect():
    given = settings(objective_options="mu:2,c:0.5")
    used = {("objective_options", "mu:2")}
    with pytest.raises(UsageError, match="objective_options=c:0.5 has no effect"):
        objectives.check_used(given, {}, used)
    objectives.check_used(given, {}, used | {("objective_options", "c:0.5")})
