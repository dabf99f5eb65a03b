"""Flags that several commands share, their checks, and TensorFlow's start."""

import errno
import os
import subprocess
import sys

import pytest
from absl import flags as absl_flags

from mtl import config
from mtl.cli import console, flags
from mtl.errors import UsageError


def test_fields_take_type_and_default_from_the_record():
    values = absl_flags.FlagValues()
    for name in ("steps", "learning_rate", "data_dir"):
        flags.define_field(values, name, "help")
    flags.parse(values, ["train", "--steps=7"])
    assert (values.steps, values.learning_rate, values.data_dir) == (
        7,
        config.Config.learning_rate,
        "",
    )


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "1.1"])
def test_a_range_keeps_out_what_lies_beyond_it_and_nan(value):
    values = absl_flags.FlagValues()
    flags.define_drawing(values)
    with pytest.raises(UsageError, match="difficulty"):
        flags.parse(values, ["train", f"--difficulty={value}"])


@pytest.mark.parametrize("value", ["0", "1", "0.25"])
def test_a_range_lets_its_ends_in(value):
    values = absl_flags.FlagValues()
    flags.define_drawing(values)
    flags.parse(values, ["train", f"--difficulty={value}"])
    assert values.difficulty == float(value)


def test_flags_and_other_arguments_may_come_in_any_order():
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_boolean("json", False, "help", flag_values=values)
    assert flags.parse(values, ["predict", "a.png", "--json", "b.png", "--", "--c.png"]) == [
        "a.png",
        "b.png",
        "--c.png",
    ]
    assert values.json


@pytest.mark.parametrize("dataset", flags.ON_DISK)
def test_data_on_disk_needs_a_folder(dataset):
    flags.check_data(dataset, "somewhere")
    with pytest.raises(UsageError, match="--data_dir is required"):
        flags.check_data(dataset, "")


def test_a_folder_that_would_be_ignored_is_refused():
    flags.check_data("synthetic", "")
    with pytest.raises(UsageError, match="--data_dir=photos"):
        flags.check_data("synthetic", "photos")


class Closed:
    """A stream that takes nothing."""

    def __init__(self, error):
        self._error = error

    def write(self, text):
        raise self._error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_line_of_progress_that_cannot_be_written_costs_itself_alone(monkeypatch, number):
    monkeypatch.setattr(sys, "stderr", Closed(OSError(number, "no")))
    console.say("step 3")


def test_a_broken_pipe_ends_the_command(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Closed(BrokenPipeError()))
    with pytest.raises(BrokenPipeError):
        console.say("step 3")


@pytest.mark.parametrize("verbosity, quiet", [("0", True), ("1", False)])
def test_tensorflow_starts_quietly_unless_asked(verbosity, quiet):
    # With its own default level, TensorFlow writes to file descriptor 2 on import: the test sees nothing where that is not so.
    code = "import sys; from mtl.cli import common; console.start_tensorflow(int(sys.argv[1])); print('mine', file=sys.stderr)"
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    done = subprocess.run(
        [sys.executable, "-c", code, verbosity], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0
    assert (done.stderr == "mine\n") == quiet
