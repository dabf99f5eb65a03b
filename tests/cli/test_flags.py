"""The flags that commands share, and their checks."""

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
    assert "default: that of the run" in flags.help_text("", "", values)


def test_flags_and_other_arguments_mix_in_any_order():
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_boolean("json", False, "help", flag_values=values)
    rest = flags.parse(values, ["predict", "a.png", "--json", "b.png", "--", "--c.png"])
    assert rest == ["a.png", "b.png", "--c.png"]
    assert values.json


@pytest.mark.parametrize("dataset", sorted(set(config.DATASETS) - {"synthetic"}))
def test_dataset_on_disk_needs_a_folder(dataset):
    flags.check_data(dataset, "somewhere")
    with pytest.raises(UsageError, match="--data_dir is required"):
        flags.check_data(dataset, "")


def test_folder_for_synthetic_is_rejected():
    flags.check_data("synthetic", "")
    with pytest.raises(UsageError, match="--data_dir=photos"):
        flags.check_data("synthetic", "photos")
