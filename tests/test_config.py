"""The record of a run: through JSON and back, its checks, and what may change when a run is continued."""

import dataclasses
import json

import pytest
from hypothesis import given, settings, strategies as st

from mtl import bottoms, config, losses
from mtl.config import Config

FIELDS = {field.name: type(field.default) for field in dataclasses.fields(Config)}
KINDS = {
    str: st.text(max_size=9),
    int: st.integers(-(2**62), 2**62),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
}
VALUES = {
    name: st.sampled_from(config.CHOICES[name]) if name in config.CHOICES else KINDS[kind]
    for name, kind in FIELDS.items()
}


def test_the_names_are_those_of_the_code():
    assert config.BOTTOMS == tuple(bottoms.BOTTOMS)
    assert config.OBJECTIVES == tuple(losses.OBJECTIVES) == tuple(losses.OBJECTIVES_OF_MEANS)


def test_the_defaults_lie_within_the_names():
    for name, choices in config.CHOICES.items():
        assert getattr(Config(), name) in choices
    assert config.CROP <= config.WINDOW


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.fixed_dictionaries({}, optional=VALUES))
def test_json_round_trip(values):
    before = Config.from_dict(values)
    assert {name: getattr(before, name) for name in values} == values
    assert Config.from_dict(json.loads(json.dumps(dataclasses.asdict(before)))) == before


def test_a_record_of_less_takes_the_defaults():
    assert Config.from_dict({"steps": 7}) == dataclasses.replace(Config(), steps=7)


def test_an_unknown_field_is_named():
    with pytest.raises(ValueError, match="unknown field 'botom'"):
        Config.from_dict({"botom": "small"})


@pytest.mark.parametrize("name", config.CHOICES)
def test_a_name_that_is_none_of_the_choices_is_refused_beside_them(name):
    for choice in config.CHOICES[name]:
        assert getattr(Config.from_dict({name: choice}), name) == choice
    other = 3 if name == "views" else "nonesuch"
    with pytest.raises(ValueError) as error:
        Config.from_dict({name: other})
    assert (
        str(error.value)
        == f"field {name!r} must be one of {', '.join(map(str, config.CHOICES[name]))}, got {other!r}"
    )


WRONG = {
    str: [1, 1.5, None, True, ["small"]],
    int: ["7", 7.0, 7.5, None, [7], True, False],
    float: ["0.1", None, [0.1], True, False],
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_value_of_another_type_is_refused(name):
    # True is an int to isinstance, but no number of steps: {"steps": true} would train one step.
    for value in WRONG[FIELDS[name]]:
        with pytest.raises(ValueError) as error:
            Config.from_dict({name: value})
        assert (
            str(error.value)
            == f"field {name!r} must be of type {FIELDS[name].__name__}, got {value!r}"
        )


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 1


def _other(value):
    return value + "x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("name", FIELDS)
def test_differences_name_each_field_unless_it_may_change(name):
    old = Config()
    new = dataclasses.replace(old, **{name: _other(getattr(old, name))})
    expected = (
        []
        if name in config.MAY_CHANGE
        else [f"--{name}={getattr(old, name)} (now {getattr(new, name)})"]
    )
    assert config.differences(old, new) == expected


def test_differences_come_in_the_order_of_the_fields():
    assert config.differences(Config(), Config()) == []
    new = Config(seed=5, bottom="mlp", steps=9)
    assert config.differences(Config(), new) == ["--bottom=small (now mlp)", "--seed=0 (now 5)"]


def test_what_may_change_exists_and_decides_no_result():
    assert set(config.MAY_CHANGE) <= set(FIELDS)
    decisive = {
        "bottom",
        "objective",
        "label_smoothing",
        "dropout",
        "dataset",
        "batch_size",
        "learning_rate",
        "schedule",
        "seed",
    }
    assert not set(config.MAY_CHANGE) & decisive
