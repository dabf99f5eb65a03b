"""Flags that take a path: an unusable path is refused while parsed, before anything is written."""

import pytest
from absl import flags as absl_flags

from mtl import config
from mtl.cli import main, paths

# For each command: its flags that take a path, and other flags that make it valid.
PATH_FLAGS = {
    "train": (
        ["model_dir", "data_dir", "init_from"],
        ["--model_dir=x", "--dataset=npz", "--data_dir=y"],
    ),
    "evaluate": (["model_dir", "data_dir", "checkpoint", "report"], ["--model_dir=x"]),
    "predict": (["model_dir", "checkpoint", "boxes", "data_dir", "sheet"], ["a.png"]),
    "preview": (["data_dir", "out"], ["--dataset=npz", "--data_dir=y"]),
    "convert": (["archive_dir", "data_dir", "out", "checksums"], ["--archive_dir=x", "--out=y"]),
    "explain": (["out", "data_dir", "init_from"], []),
    "compare": (
        ["out", "data_dir", "init_from"],
        ["--out=x", "--seeds=1", "--dataset=npz", "--data_dir=y"],
    ),
    "export": (
        ["model_dir", "out", "checkpoint", "data_dir"],
        ["--model_dir=x", "--out=y", "--format=tflite", "--quantize=int8"],
    ),
    "serve": (["model_dir", "checkpoint"], ["--model_dir=x"]),
    "cluster": ([], []),  # it has those of train, see test_cluster.py
}
# Flags of free text that is not a path.
TEXTS = {"url", "box", "tasks", "top_units", "best_by", "objectives", "learning_rates"}
TEXTS |= {"objective_options", "task_weights", "ps_hosts", "worker_hosts", "chief_hosts"}
TEXTS |= {"simulate", "name", "host"}
CHOICES = [name for name in config.FIELDS if config.choices(name)]
BAD = {
    "gs://bucket/run.png": "gs:// addresses are not read or written; name a path of this machine",
    "file:///tmp/run.png": "file:// addresses are not read",
    "s3a+x.y-z://b.png": "s3a+x.y-z:// addresses",
    "n\udce9.png": "the path is not UTF-8, which TensorFlow needs; rename the file or folder",
    "~no_such_user/x.png": "~no_such_user has no known home folder; write ./~no_such_user/x.png",
    "a\nb.png": "a line break",
    "a\0b.png": "a null character",
}


def defined(name):
    """Return the FlagValues of a command."""
    values = absl_flags.FlagValues()
    main.load(name).define(values)
    return values


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_flag_of_free_text_is_a_checked_path(name):
    """Fails for a new flag until it takes a path or is added to TEXTS or the choices."""
    values = defined(name)
    checked = {flag for flag in values if isinstance(values[flag].parser, paths._Parser)}
    assert checked == set(PATH_FLAGS[name][0])
    texts = {flag for flag in values if values[flag].flag_type() == "string"}
    assert texts - TEXTS - set(CHOICES) == checked


@pytest.mark.parametrize("name", main.COMMANDS)
def test_unusable_path_is_refused_by_each_flag(name, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    names, others = PATH_FLAGS[name]
    for flag in names:
        for value, message in BAD.items():
            line = refused(1, name, *others, f"--{flag}={value}")
            assert f"--{flag}=" in line and message in line
    assert not list(tmp_path.iterdir())


def test_unusable_path_of_a_flagfile_is_refused(refused):
    for value, message in BAD.items():
        assert message in refused(1, "train", f"--flagfile={value}", "--model_dir=x")


OTHER = ["runs/x", "/a b/c", "", "a~b", "./~x", "x:/y", "run[1]", "k\u00e4se", "tr\\\\ail\t"]


@pytest.mark.parametrize("value", [*OTHER, "C:\\\\runs"])
def test_other_paths_are_unchanged(value):
    assert paths.local(value) == value


def test_tilde_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    values = defined("train")
    values(["mtl", "--model_dir=~/runs/x", "--init_from=~"])
    assert (values.model_dir, values.init_from) == (str(tmp_path / "runs" / "x"), str(tmp_path))


def test_tilde_in_a_flagfile_is_expanded(monkeypatch, tmp_path, refused):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.flags").write_text("--data_dir=~/no_such_folder\n")
    flags = ["--dataset=npz", "--flagfile=~/a.flags", f"--out={tmp_path / 'sheet.png'}"]
    assert f"{tmp_path}/no_such_folder: " in refused(2, "preview", *flags)
