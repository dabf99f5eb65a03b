"""mtl.catalogue: the objectives as data, their options, and settings that do not fit them."""

import pathlib

import pytest

import helpers
from mtl import catalogue, objectives
from mtl.config import Config

TWO = {"tasks": "a:3,b:real", "dataset": "npz"}
ONE = {"tasks": "a:3", "dataset": "npz"}


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_an_entry_equals_the_constants_of_the_module(name):
    # The sources are read without being run, so an expression such as 10**6 would be missed.
    module, entry = objectives.find(name), catalogue.entry(name)
    found = [module.NEEDS, module.STATE, module.PASSES, module.SOURCE]
    assert [entry.needs, entry.state, entry.passes, entry.source] == found
    assert entry.options == getattr(module, "OPTIONS", {})
    assert entry.uses == tuple(getattr(module, "USES", ()))
    assert entry.summary == module.__doc__.splitlines()[0].rstrip(".")


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_an_entry_is_complete(name):
    entry = catalogue.entry(name)
    assert entry.needs in (catalogue.LOSSES, catalogue.GRADIENTS)
    assert all([entry.summary, entry.state, entry.passes, entry.source])
    assert set(entry.uses) <= {"task_weights", "clip_min", "clip_max"}
    for default, least, greatest in entry.options.values():
        assert least <= default <= greatest
        assert type(default) is type(least) or type(default) is float
    assert callable(objectives.find(name).build)
    assert isinstance(objectives.find(name).NEUTRAL, float)


def test_the_table_has_a_row_for_each_objective():
    head, *rows, empty, foot = catalogue.table().splitlines()
    assert head.split() == ["objective", "needs", "state", "passes", "options", "source"]
    assert [row.split()[0] for row in rows] == list(catalogue.NAMES)
    (row,) = [row for row in rows if row.startswith("uw_so ")]
    assert "temperature:10" in row and row.endswith("arXiv:2408.07985")
    (row,) = [row for row in rows if row.startswith("linear ")]
    assert row.split()[1:8] == ["losses", "none", "1", "forward,", "1", "backward", "none"]
    assert (empty, foot.split()[0]) == ("", "K")


def test_the_help_has_one_line_for_each_objective():
    lines = catalogue.help_text().splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(catalogue.NAMES)
    assert max(map(len, lines)) <= 92  # mtl train --help indents them by 8


@pytest.mark.parametrize(
    "name, expected",
    [
        ("logsum", "objective=logsum is unknown; did you mean log_sum? --objective=list shows"),
        ("famos", "objective=famos is unknown; did you mean famo? --objective=list shows"),
        ("PCGrad", "objective=PCGrad is unknown; did you mean pcgrad? --objective=list shows"),
        ("Nash-MTL", "objective=Nash-MTL is unknown; did you mean nash_mtl? --objective=list"),
        ("xyz", "objective=xyz is unknown; --objective=list shows all of them"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name, expected):
    assert catalogue.unknown(name).startswith(expected)
    with pytest.raises(ValueError) as error:
        Config(objective=name)
    helpers.one_line(error, expected)


def test_options_have_their_defaults_and_types():
    assert catalogue.options("linear", "") == {}
    assert catalogue.options("my.code:f", "") == {}
    assert catalogue.options("dwa", "") == {"temperature": 2.0, "window": 100}
    found = catalogue.options("dwa", "window:7,temperature:0.5")
    assert found == {"temperature": 0.5, "window": 7} and type(found["window"]) is int
    assert catalogue.options("stch", "mu:1")["mu"] == 1.0
    assert catalogue.options("dwa", " window:7, temperature:0.5") == found


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("linear", "mu:1", "--objective_options=mu:1 is no option of linear; it has no options"),
        ("my:f", "mu:1", "--objective_options=mu:1 is no option of my:f; it has no options"),
        ("gradnorm", "beta:1", "is no option of gradnorm; its options and their defaults are alph"),
        ("dwa", "window:1,", "--objective_options= is no option of dwa"),
        ("dwa", "window", "--objective_options=window must have a whole number after the colon"),
        ("dwa", "window:2.5", "--objective_options=window:2.5 must have a whole number"),
        ("uw_so", "temperature:cold", "=temperature:cold must have a number after the colon"),
        ("uw_so", "temperature:0", "--objective_options=temperature:0 must be from 0.01 to"),
        ("uw_so", "temperature:nan", "--objective_options=temperature:nan must be from 0.01 to"),
        ("dwa", "window:0", "--objective_options=window:0 must be from 1 to 1000000"),
        ("dwa", "window:2,window:3", "--objective_options=window:2,window:3 has window twice; giv"),
        ("fairgrad", "alpha:0.05", "--objective_options=alpha:0.05 must be from 0.1 to 10"),
    ],
)
def test_wrong_options_are_refused(name, text, message):
    with pytest.raises(ValueError) as error:
        catalogue.options(name, text)
    helpers.one_line(error, message)
    with pytest.raises(ValueError):
        Config(objective=name, objective_options=text)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"task_weights": "1,2", **TWO}, "=1,2 has no effect on --objective=log_sum; use it with"),
        ({"clip_min": 0.1, "objective": "linear"}, "--clip_min=0.1 has no effect on --objective="),
        ({"clip_max": 9.0, "objective": "my:f"}, "--clip_max=9.0 has no effect on --objective=my"),
        ({"clip_min": 1e-60}, "clip_min=1e-60 must be from 1.2e-38 to 3.4e+38"),
        ({"clip_max": 1e60}, "clip_max=1e+60 must be from 1.2e-38 to 3.4e+38"),
        ({"clip_min": 0.5, "clip_max": 0.5}, "--clip_min=0.5 must be below --clip_max=0.5"),
        (
            {"task_weights": "1,2,3", "objective": "linear", **TWO},
            "--task_weights=1,2,3 has 3 weights; give one for each of a, b",
        ),
        (
            {"task_weights": "2", "objective": "linear", **TWO},
            "--task_weights=2 has 1 weight; give one for each of a, b",
        ),
        ({"task_weights": "1,-2", "objective": "linear", **TWO}, "=1,-2 must be 0 or from 1.2e-38"),
        ({"task_weights": "0,0", "objective": "linear", **TWO}, "=0,0 must be 0 or from 1.2e-38 "),
        ({"task_weights": "0,0", "objective": "linear", **TWO}, "and not all 0; change the weigh"),
        ({"task_weights": "1,inf", "objective": "linear", **TWO}, "=1,inf must be 0 or from"),
        ({"task_weights": "1,nan", "objective": "linear", **TWO}, "=1,nan must be 0 or from"),
        ({"task_weights": "1,1e39", "objective": "stch", **TWO}, "=1,1e39 must be 0 or from"),
        ({"task_weights": "0,1e-39", "objective": "linear", **TWO}, "=0,1e-39 must be 0 or"),
        ({"task_weights": "1,b", "objective": "linear", **TWO}, "=1,b is no list of numbers;"),
        ({"task_weights": "1,", "objective": "linear", **TWO}, "=1, is no list of numbers;"),
        (
            {"objective": "gradnorm", **ONE},
            "--objective=gradnorm combines the gradients of several tasks, but there is one; use",
        ),
    ],
)
def test_settings_that_do_not_fit_the_objective_are_refused(fields, message):
    with pytest.raises(ValueError) as error:
        Config(**fields)
    helpers.one_line(error, message)


def test_settings_that_fit_are_accepted():
    record = Config(objective="linear", task_weights="0,2.5", **TWO)
    assert objectives.settings(record).weights == {"a": 0.0, "b": 2.5}
    record = Config(clip_min=0.01, clip_max=50.0)
    assert objectives.settings(record)[1:3] == (0.01, 50.0)
    assert Config(objective="uw_so", **ONE).tasks == "a:3"


def test_users_of_a_flag():
    assert catalogue.users("task_weights").split(", ")[0] == "linear"
    assert "log_sum" in catalogue.users("clip_min").split(", ")


def test_every_objective_has_tests():
    folder = pathlib.Path(__file__).parent / "objectives"
    assert [name for name in catalogue.NAMES if not (folder / f"test_{name}.py").exists()] == []
