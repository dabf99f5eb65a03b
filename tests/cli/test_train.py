"""The flags of `mtl train`: one for each field of Config, checked before any file is touched."""

import dataclasses
import os
import pathlib

import pytest
from absl import flags as absl_flags

from mtl import catalogue, config
from mtl.cli import flags, train

FLAGS = pathlib.Path(__file__).resolve().parents[2] / "flags"


def parsed(*arguments):
    """Return the FlagValues of a command line."""
    values = absl_flags.FlagValues()
    train.define(values)
    flags.define(values)
    assert flags.parse(values, ["train", *arguments]) == []
    return values


def test_defaults_are_those_of_config():
    assert flags.to_config(parsed()) == config.Config()


OTHER = config.Config(
    bottom="mlp",
    objective="stch",
    objective_options="mu:0.25",
    task_weights="1,2,3,4,5,6",
    clip_min=0.01,
    clip_max=50.0,
    absent="mask",
    label_smoothing=0.25,
    brightness="keep",
    dropout=0.5,
    top_units="7,5",
    top_dropout=0.25,
    dataset="folder",
    data_dir="a b",
    style="written",
    window=48,
    crop=40,
    difficulty=1.0,
    augment=0.5,
    pool=6,
    reuse=3,
    batch_size=7,
    precision="bf16",
    learning_rate=0.02,
    schedule="cosine",
    warmup_steps=3,
    optimizer="momentum",
    momentum=0.5,
    beta1=0.8,
    beta2=0.99,
    epsilon=1e-5,
    clip_norm=2.0,
    weight_decay=0.01,
    steps=11,
    seed=13,
    init_from="c",
    on_nonfinite="skip",
    log_every=2,
    save_every=5,
    best_by="digit1",
    patience=2,
    workers=1,
    views=4,
    threads=4,
    backup_workers=1,
)
# Some flags exclude others, so they need a Config of their own.
OWN = config.Config(tasks="digit:10,height:real", dataset="npz", data_dir="a b", sync="none")


def test_every_flag_sets_its_field():
    for name, field in config.FIELDS.items():
        values = {getattr(OTHER, name), getattr(OWN, name)}
        assert values - {field.default}, f"{name} needs another value"
    for record in (OTHER, OWN):
        arguments = [f"--{name}={value}" for name, value in dataclasses.asdict(record).items()]
        assert flags.to_config(parsed(*arguments)) == record


def test_flags_text_gives_the_same_config_again(tmp_path):
    path = tmp_path / "flags.flags"
    data = ["--data_dir=a b", "--dataset=npz"]
    values = parsed("--model_dir=x", "--steps=3", *data, "--learning_rate=3e-5")
    path.write_text(flags.flags_text(values))
    assert "model_dir" not in path.read_text()
    assert flags.to_config(parsed(f"--flagfile={path}")) == flags.to_config(values)


@pytest.mark.parametrize(
    "flag",
    [
        "steps=0", "steps=-1", "steps=1.5", "batch_size=0", "log_every=0", "save_every=0", "pool=0",
        "reuse=0", "seed=-1", "seed=2147483648", "workers=-1", "threads=-1", "learning_rate=0",
        "learning_rate=-1", "learning_rate=nan", "learning_rate=inf", "label_smoothing=1",
        "label_smoothing=-0.1", "label_smoothing=nan", "dropout=1", "dropout=nan", "difficulty=1.5",
        "augment=1.1", "augment=nan", "augment=0.5", "bottom=big", "precision=int8", "views=0",
        "views=3", "views=", "objective=mean", "dataset=mnist", "schedule=step", "pool=13",
        "dataset=svhn", "data_dir=somewhere", "stpes=3",
    ],
)  # fmt: skip
def test_bad_value_names_its_flag_and_writes_nothing(refused, tmp_path, flag):
    line = refused(1, "train", f"--model_dir={tmp_path / 'run'}", f"--{flag}")
    assert line.startswith("mtl train: ")
    assert flag.split("=")[0] in line
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "flag",
    [
        "objective=lineer", "task_weights=1,2", "objective_options=mu:1", "clip_min=0",
        "clip_max=inf", "clip_min=2e37",
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_the_objective_are_one_line(refused, tmp_path, flag):
    line = refused(1, "train", f"--model_dir={tmp_path / 'run'}", f"--{flag}")
    assert line.startswith(f"mtl train: --{flag.split('=')[0]}=")
    assert ("did you mean linear?" in line) == (flag == "objective=lineer")


@pytest.mark.parametrize("name", ["train", "explain"])
def test_objective_list_prints_the_table_and_does_nothing_else(command, name):
    assert command(name, "--objective=list") == (0, catalogue.table(), "")
    assert command(name, "--objective=list", "--only_check_args") == (0, catalogue.table(), "")


def test_model_dir_is_required(refused):
    assert "--model_dir" in refused(1, "train")
    assert "--model_dir" in refused(1, "train", "--model_dir=")


def test_other_arguments_are_rejected(refused):
    assert "'steps=3'" in refused(1, "train", "--model_dir=x", "steps=3")


def test_file_as_model_dir_is_rejected(refused, tmp_path):
    path = tmp_path / "run"
    path.write_text("precious")
    assert str(path) in refused(2, "train", f"--model_dir={path}")
    assert path.read_text() == "precious"


# -- flags/ ----------------------------------------------------------------------------------------


def read(name):
    """Return the Config of a flagfile in flags/."""
    return flags.to_config(parsed(f"--flagfile={FLAGS / name}"))


FLAGFILES = sorted(FLAGS.glob("*.flags"))


@pytest.mark.parametrize("path", FLAGFILES, ids=[path.name for path in FLAGFILES])
def test_flagfile_is_valid_and_all_its_lines_are_read(command, refused, tmp_path, path):
    check = ["--model_dir=x", "--only_check_args"]
    assert command("train", f"--flagfile={path}", *check) == (0, "", "")
    lines = path.read_text(encoding="utf-8").splitlines()
    misspelt = tmp_path / "misspelt.flags"
    for number, line in enumerate(lines):
        if not line.startswith("--"):
            continue
        changed = [*lines[:number], line.replace("--", "--x", 1), *lines[number + 1 :]]
        misspelt.write_text("\n".join(changed))
        name = line[2:].split("=")[0]
        assert f"x{name}" in refused(1, "train", f"--flagfile={misspelt}", *check)


def test_quickstart_is_the_defaults():
    assert read("quickstart.flags") == config.Config()


def test_linear_and_log_sum_differ_in_their_objective_alone():
    assert read("linear.flags") == dataclasses.replace(read("log_sum.flags"), objective="linear")


def test_answer_trains_the_answer_as_published():
    answer = read("answer.flags")
    assert answer.objective == "answer"
    assert (answer.label_smoothing, answer.schedule, answer.dropout) == (0.0, "constant", 0.0)
