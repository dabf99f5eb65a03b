"""The flags that commands share, and their checks."""

import sys

import pytest
from absl import flags as absl_flags

from mtl import config
from mtl.cli import flags
from mtl.errors import UsageError


def test_flag_has_the_type_and_default_of_its_field():
    values = absl_flags.FlagValues()
    for name in ("steps", "learning_rate", "data_dir"):
        flags.define_field(values, name)
    flags.parse(values, ["train", "--steps=7"])
    assert values.steps == 7
    assert values.learning_rate == config.Config.learning_rate
    assert values.data_dir == ""


@pytest.mark.parametrize("value, accepted", [("0", True), ("1", True), ("nan", False)])
def test_flag_has_the_range_of_its_field(value, accepted):
    values = absl_flags.FlagValues()
    flags.define_field(values, "difficulty")
    if accepted:
        flags.parse(values, ["train", f"--difficulty={value}"])
        assert values.difficulty == float(value)
    else:
        with pytest.raises(UsageError, match="--difficulty=nan must be from 0 to 1"):
            flags.parse(values, ["train", f"--difficulty={value}"])


@pytest.mark.parametrize("given, expected", [([], 0.5), (["--difficulty=0"], 0.0)])
def test_flag_follows_the_run_unless_given(given, expected):
    values = absl_flags.FlagValues()
    flags.define_field(values, "difficulty", follows_run=True)
    flags.parse(values, ["evaluate", *given])
    assert flags.value_or_run(values, "difficulty", config.Config(difficulty=0.5)) == expected
    assert values["difficulty"].help.endswith("; default: that of the run")


def test_flags_and_other_arguments_mix_in_any_order():
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_boolean("json", False, "help", flag_values=values)
    rest = flags.parse(values, ["predict", "a.png", "--json", "b.png", "--", "--c.png"])
    assert rest == ["a.png", "b.png", "--c.png"]
    assert values.json


def rejected(*arguments):
    """Return the error of a command line of predict that cannot be parsed."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_boolean("json", False, "help", flag_values=values)
    flags.define_field(values, "difficulty")
    with pytest.raises(UsageError) as caught:
        flags.parse(values, ["predict", *arguments])
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["-42.png", "--help.png", "-.png", "--json.png", "---a.png", "-фото.png"]
)
def test_file_that_looks_like_a_flag_is_named_with_its_cure(name):
    cure = f"for a file of this name write ./{name}, or write -- before the files"
    assert rejected("a.png", name) == f"unknown flag {name}; {cure}"


@pytest.mark.parametrize(
    "name, fault",
    [
        ("-photo", "unknown flag -photo"),
        ("--difficulty=9.5", "--difficulty=9.5 must be from 0 to 1"),
        ("-v=1.png", "unknown flag -v=1.png"),
        ("-a\nb", r"unknown flag -a\nb"),
    ],
)
def test_existing_file_that_looks_like_a_flag_is_named(tmp_path, monkeypatch, name, fault):
    monkeypatch.chdir(tmp_path)
    assert fault in rejected(name) and "./" not in rejected(name)
    (tmp_path / name).write_bytes(b"")
    shown = name.replace("\n", r"\n")
    cure = f"; for a file of this name write ./{shown}, or write -- before the files"
    assert fault in rejected(name) and rejected(name).endswith(cure)


@pytest.mark.parametrize(
    "given, message",
    [
        ("--jsn", "unknown flag --jsn; did you mean --json? mtl predict --help lists the flags"),
        ("--dificulty=1", "unknown flag --dificulty=1; did you mean --difficulty? mtl predict"),
        ("--zzz", "unknown flag --zzz; mtl predict --help lists the flags"),
    ],
)
def test_unknown_flag_suggests_the_nearest(given, message):
    assert rejected(given).startswith(message)


@pytest.mark.parametrize("dataset", sorted(set(config.DATASETS) - {"synthetic"}))
def test_dataset_on_disk_needs_a_folder(dataset):
    flags.check_data(dataset, "somewhere")
    with pytest.raises(UsageError, match="--data_dir is required"):
        flags.check_data(dataset, "")


def test_folder_for_synthetic_is_rejected():
    flags.check_data("synthetic", "")
    with pytest.raises(UsageError, match="--data_dir=photos"):
        flags.check_data("synthetic", "photos")


@pytest.mark.parametrize(
    "given, message",
    [
        ("--tasks=digit", "--tasks: task 'digit' has no kind or number of classes; write digit:N"),
        (
            "--tasks=a:3,A:2",
            "--tasks: task A: the shared bottom, the objective or another task has this name",
        ),
        ("--bottom=smal", "--bottom=smal must be one of mlp"),
        ("--bottom=a:b:c", "--bottom=a:b:c does not name a function; write module:function"),
    ],
)
def test_wrong_tasks_and_functions_are_named_with_their_flag(given, message):
    values = absl_flags.FlagValues()
    flags.define_run(values)
    with pytest.raises(UsageError) as caught:
        flags.parse(values, ["train", given])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("field", ["bottom", "objective"])
def test_own_code_is_found_in_the_current_folder(tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["elsewhere"])
    flags.find_own_code(config.Config())
    assert sys.path == ["elsewhere"]
    for _ in range(2):
        flags.find_own_code(config.Config(**{field: "my_code:my_function"}))
        assert sys.path == [str(tmp_path), "elsewhere"]


def test_flags_that_name_own_code_find_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])
    values = absl_flags.FlagValues()
    flags.define_run(values)
    flags.parse(values, ["train", "--bottom=my_code:my_function"])
    assert flags.to_config(values).bottom == "my_code:my_function"
    assert sys.path == [str(tmp_path)]
