"""mtl.config: choices and ranges, JSON round trips, and what may change when a run continues."""

import dataclasses
import json
import math
import pathlib

import pytest
from hypothesis import given, settings, strategies as st

from mtl import combinations, config, fields, run_files
from mtl.config import Config

KINDS = {name: type(field.default) for name, field in config.FIELDS.items()}
WITH_CHOICES = [name for name in config.FIELDS if config.choices(name)]
WITH_RANGE = [name for name in config.FIELDS if config.range_of(name)]


# -- names -----------------------------------------------------------------------------------------


def test_finds_bottoms_objectives_and_datasets_without_importing_them():
    assert config.BOTTOMS == ("mlp", "tiny", "light", "small", "base", "paper")
    assert {"answer", "linear", "log_sum"} <= set(config.OBJECTIVES)
    assert config.DATASETS == ("folder", "npz", "records", "svhn", "synthetic", "table")
    assert combinations.OWN_TASKS == ("folder", "npz", "records", "table")


def test_a_new_source_file_is_found_without_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr(fields, "PACKAGE", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.py").write_text('X = 1\nDATASET = "mine"\n', encoding="utf-8")
    found = config.declared("data/**/*.py", r'^DATASET = "(\w+)"$')
    assert found == {"mine": tmp_path / "data" / "mine.py"}


def test_hidden_files_declare_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(fields, "PACKAGE", tmp_path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "._sidecar.py").write_bytes(b"\x00\xff")
    for name in ("plain.py", ".hidden/copy.py"):
        (tmp_path / name).write_text('DATASET = "mine"\n')
    found = config.declared("**/*.py", r'^DATASET = "(\w+)"$')
    assert found == {"mine": tmp_path / "plain.py"}


def test_every_field_has_a_help_text():
    assert all(config.help_of(name) for name in config.FIELDS)


def test_defaults_equal_the_quickstart_flagfile():
    path = pathlib.Path(__file__).parent.parent / "flags" / "quickstart.flags"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("--"):
            name, value = line[2:].split("=")
            assert KINDS[name](value) == config.FIELDS[name].default, line


# -- validation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_CHOICES)
def test_rejects_a_value_that_is_not_a_choice(name):
    choices = config.choices(name)
    assert config.FIELDS[name].default in choices
    other = 3 if KINDS[name] is int else "nonesuch"
    with pytest.raises(ValueError) as error:
        Config.from_dict({name: other})
    listed = ", ".join(map(str, choices))
    expected = f"{name}={other} must be one of {listed}"
    if name == "objective":  # too many to list
        expected = "objective=nonesuch is unknown; --objective=list shows all of them"
    assert str(error.value) == expected


def outside(limits, kind):
    """Return values just outside a range."""
    whole = kind is int
    values = [limits.low - 1 if whole else math.nextafter(limits.low, -math.inf)]
    if limits.above_low:
        values.append(limits.low)
    if not math.isinf(limits.high):
        values.append(limits.high + 1 if whole else math.nextafter(limits.high, math.inf))
    if limits.below_high:
        values.append(limits.high)
    return values if kind is int else [*values, math.nan]


@pytest.mark.parametrize("name", WITH_RANGE)
def test_rejects_values_outside_the_range(name):
    limits = config.range_of(name)
    for value in outside(limits, KINDS[name]):
        with pytest.raises(ValueError) as error:
            Config.from_dict({name: value})
        assert str(error.value) == f"{name}={value} must be {limits.text()}"


@pytest.mark.parametrize("name", WITH_RANGE)
def test_accepts_the_ends_of_the_range(name):
    limits = config.range_of(name)
    if not limits.above_low:
        config.check(name, KINDS[name](limits.low))
    if not limits.below_high and not math.isinf(limits.high):
        config.check(name, KINDS[name](limits.high))


@pytest.mark.parametrize(
    "limits, text",
    [
        (config.Range(1), "at least 1"),
        (config.Range(0, 2**31 - 1), "from 0 to 2147483647"),
        (config.Range(0.0, 1.0), "from 0 to 1"),
        (config.Range(0.0, 1.0, below_high=True), "from 0 to 1, 1 excluded"),
        (config.Range(0.0, above_low=True, below_high=True), "above 0 and finite"),
    ],
)
def test_a_range_in_words(limits, text):
    assert limits.text() == text


WRONG = {
    str: [1, 1.5, None, True, ["small"]],
    int: ["7", 7.0, 7.5, None, [7], True, False],
    float: ["0.1", None, [0.1], True, False],
}


@pytest.mark.parametrize("name", config.FIELDS)
def test_rejects_a_value_of_another_type(name):
    # bool is an int in Python: {"steps": true} would train one step.
    for value in WRONG[KINDS[name]]:
        with pytest.raises(ValueError) as error:
            Config.from_dict({name: value})
        assert str(error.value) == f"{name}={value!r} must be of type {KINDS[name].__name__}"


OWN = {"tasks": "a:3,b:real", "dataset": "npz"}


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"pool": 10, "reuse": 3}, "--pool=10 must be a multiple of --reuse=3"),
        ({"augment": 0.5}, "--augment=0.5 does not apply to synthetic"),
        (
            {"objective": "answer", "absent": "mask"},
            "--absent=mask does not work with --objective=answer; use --objective=log_sum",
        ),
        ({"objective": "answer", **OWN}, "--tasks=a:3,b:real does not work with"),
        ({"tasks": "a:3"}, "--dataset=synthetic has only numbers, not the tasks a:3; use"),
        ({"absent": "mask", **OWN}, "--absent=mask applies only to --tasks=numbers"),
        ({"views": 2, **OWN}, "--views=2 applies only to --tasks=numbers"),
        ({"best_by": "c", **OWN}, "--best_by=c must be one of a, b"),
        ({"best_by": "exact_match"}, "--best_by=exact_match must be one of length, digit1"),
        ({"top_units": "8,,3"}, "--top_units=8,,3 must be a list of sizes"),
        ({"top_dropout": 0.5}, "--top_dropout=0.5 needs hidden layers; add --top_units=128"),
        ({"window": 32, "crop": 54}, "--crop=54 is larger than --window=32"),
    ],
)
def test_rejects_combinations(fields, message):
    for make in (Config.from_dict, lambda values: Config(**values)):
        with pytest.raises(ValueError) as error:
            make(fields)
        assert str(error.value).startswith(message)


def test_data_needs_a_folder_and_synthetic_has_none():
    config.check_data("synthetic", "")
    config.check_data("svhn", "data")
    with pytest.raises(ValueError, match="--data_dir is required with --dataset=npz"):
        config.check_data("npz", "")
    with pytest.raises(ValueError, match="--data_dir=x does not apply to --dataset=synthetic"):
        config.check_data("synthetic", "x")


def test_names_an_unknown_field():
    with pytest.raises(ValueError, match="unknown field 'botom'"):
        Config.from_dict({"botom": "small"})


# -- the record ------------------------------------------------------------------------------------


def strategy(name):
    """Return a hypothesis strategy for the valid values of a field."""
    choices, limits, kind = config.choices(name), config.range_of(name), KINDS[name]
    if choices:
        return st.sampled_from(choices)
    if name in TEXTS:
        return st.sampled_from(TEXTS[name])
    if kind is str:
        return st.text(max_size=9)
    high = 2**62 if math.isinf(limits.high) else limits.high
    if kind is int:
        return st.integers(limits.low, high)
    bounds = {"exclude_min": limits.above_low, "exclude_max": limits.below_high}
    return st.floats(limits.low, float(high), **bounds)


# Valid texts of fields that are neither free nor a choice.
TEXTS = {
    "tasks": ["numbers"],
    "top_units": ["", "7", "31,17"],
    "best_by": ["", "length", "digit3"],
    "task_weights": [""],
    "objective_options": [""],
}
TOGETHER = ("pool", "reuse", "augment", "objective", "top_dropout", "window", "crop")
TOGETHER += ("clip_min", "clip_max", "backup_workers")
FREE = [name for name in config.FIELDS if name not in TOGETHER]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.fixed_dictionaries({}, optional={name: strategy(name) for name in FREE}))
def test_json_round_trip(values):
    before = Config.from_dict(values)
    assert {name: getattr(before, name) for name in values} == values
    assert Config.from_dict(json.loads(json.dumps(dataclasses.asdict(before)))) == before


def test_a_partial_record_takes_the_defaults():
    assert Config.from_dict({"steps": 7}) == dataclasses.replace(Config(), steps=7)


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 1


# -- differences -----------------------------------------------------------------------------------


def another(name):
    """Return a valid value of a field that is not its default."""
    default, choices = config.FIELDS[name].default, config.choices(name)
    if choices:
        return next(choice for choice in choices if choice != default)
    if name in TEXTS:
        return TEXTS[name][-1]
    if name == "crop":
        return 40
    if KINDS[name] is str:
        return default + "x"
    return default / 2 + 0.01 if KINDS[name] is float else 2 * default or 1


DEPENDENT = ("augment", "tasks", "top_dropout", "objective_options", "task_weights")
ALONE = [name for name in config.FIELDS if name not in DEPENDENT]


@pytest.mark.parametrize("name", ALONE)
def test_differences_name_each_field_that_may_not_change(name):
    old, new = Config(), dataclasses.replace(Config(), **{name: another(name)})
    expected = [f"--{name}={getattr(old, name)} (now {getattr(new, name)})"]
    if name in run_files.MAY_CHANGE:
        expected = []
    assert run_files.differences(old, new) == expected


def test_differences_are_in_the_order_of_the_fields():
    assert run_files.differences(Config(), Config()) == []
    new = Config(seed=5, bottom="mlp", steps=9)
    assert run_files.differences(Config(), new) == ["--bottom=light (now mlp)", "--seed=0 (now 5)"]
