"""The flags of `mtl train`: one for each field of the record, checked before anything is read or written."""

import dataclasses
import glob
import os

import pytest
from absl import flags as absl_flags

from mtl import config
from mtl.cli import flags, train

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGFILES = sorted(glob.glob(os.path.join(HERE, "..", "..", "flags", "*.flags")))


def parsed(*arguments):
    """Return the FlagValues of a command line."""
    values = absl_flags.FlagValues()
    train.define(values)
    flags.define(values)
    assert flags.parse(values, ["train", *arguments]) == []
    return values


def test_every_field_has_a_flag_and_its_default():
    assert flags.to_config(parsed()) == config.Config()


def test_every_flag_reaches_its_field():
    other = config.Config(
        bottom="mlp", objective="linear", absent="mask", label_smoothing=0.25, dropout=0.5, dataset="folder", data_dir="a b",
        style="written", difficulty=1.0, augment=0.5, pool=6, reuse=3, batch_size=7, precision="bf16", learning_rate=0.02,
        schedule="linear", steps=11, seed=13, init_from="c", on_nonfinite="skip", log_every=2, save_every=5,
            workers=1, views=4, threads=4,
    )  # fmt: skip
    assert all(
        getattr(other, field.name) != field.default for field in dataclasses.fields(config.Config)
    )
    arguments = [f"--{name}={value}" for name, value in dataclasses.asdict(other).items()]
    assert flags.to_config(parsed(*arguments)) == other


def test_flags_text_makes_the_same_record_again(tmp_path):
    path = tmp_path / "flags.flags"
    values = parsed(
        "--model_dir=x", "--steps=3", "--data_dir=a b", "--dataset=npz", "--learning_rate=3e-5"
    )
    path.write_text(flags.flags_text(values))
    assert "model_dir" not in path.read_text()
    assert flags.to_config(parsed(f"--flagfile={path}")) == flags.to_config(values)


@pytest.mark.parametrize(
    "flag",
    [
        "steps=0", "steps=-1", "steps=1.5", "batch_size=0", "log_every=0", "save_every=0", "pool=0", "reuse=0", "seed=-1",
        "seed=2147483648", "workers=-1", "threads=-1", "learning_rate=0", "learning_rate=-1", "learning_rate=nan", "learning_rate=inf",
        "label_smoothing=1", "label_smoothing=-0.1", "label_smoothing=nan", "dropout=1", "dropout=nan", "difficulty=1.5", "augment=1.1",
        "augment=nan", "augment=0.5", "bottom=big", "precision=int8", "views=0", "views=3", "views=",
        "objective=mean", "dataset=mnist", "schedule=step", "pool=12", "dataset=svhn", "data_dir=somewhere", "stpes=3",
    ],
)  # fmt: skip
def test_a_bad_value_names_its_flag_and_writes_nothing(refused, tmp_path, flag):
    line = refused(1, "train", f"--model_dir={tmp_path / 'run'}", f"--{flag}")
    assert line.startswith("mtl train: ")
    assert flag.split("=")[0] in line
    assert os.listdir(tmp_path) == []


def test_model_dir_is_required(refused):
    assert "--model_dir" in refused(1, "train")
    assert "--model_dir" in refused(1, "train", "--model_dir=")


def test_arguments_that_are_no_flags_are_refused(refused):
    assert "'steps=3'" in refused(1, "train", "--model_dir=x", "steps=3")


def test_model_dir_that_is_a_file_is_refused(refused, tmp_path):
    path = tmp_path / "run"
    path.write_text("precious")
    assert str(path) in refused(2, "train", f"--model_dir={path}")
    assert path.read_text() == "precious"


# -- flags/ -----------------------------------------------------------------------------------------------------------------------


def read(name):
    """Return the Config of a flagfile."""
    return flags.to_config(parsed(f"--flagfile={os.path.join(HERE, '..', '..', 'flags', name)}"))


def test_the_flagfiles_are_there():
    assert {"answer.flags", "quickstart.flags", "linear.flags", "svhn.flags"} <= {
        os.path.basename(path) for path in FLAGFILES
    }


@pytest.mark.parametrize("path", FLAGFILES, ids=os.path.basename)
def test_a_flagfile_passes_and_a_misspelt_flag_in_it_fails(command, refused, tmp_path, path):
    assert command("train", f"--flagfile={path}", "--model_dir=x", "--only_check_args") == (
        0,
        "",
        "",
    )
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number in [i for i, line in enumerate(lines) if line.startswith("--")]:
        misspelt = tmp_path / f"{number}.flags"
        misspelt.write_text(
            "\n".join(
                [*lines[:number], lines[number].replace("--", "--x", 1), *lines[number + 1 :]]
            )
        )
        name = lines[number][2:].split("=")[0]
        assert f"x{name}" in refused(
            1, "train", f"--flagfile={misspelt}", "--model_dir=x", "--only_check_args"
        )


def test_the_defaults_are_the_quickstart():
    assert read("quickstart.flags") == config.Config()


def test_linear_differs_from_the_quickstart_in_its_objective_alone():
    assert read("linear.flags") == dataclasses.replace(read("quickstart.flags"), objective="linear")


def test_answer_is_the_answer_to_the_letter():
    answer = read("answer.flags")
    assert (answer.objective, answer.label_smoothing, answer.schedule, answer.dropout) == (
        "log_sum",
        0.0,
        "constant",
        0.0,
    )
