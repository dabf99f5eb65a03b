"""mtl.cli.paths: what is no path of this machine is refused as the flags are parsed, before anything is written."""

import pytest
from absl import flags as absl_flags

from mtl.cli import main, paths

# Of each command, with what else it needs to pass its checks.
PATH_FLAGS = {
    "train": (
        ["model_dir", "data_dir", "init_from"],
        ["--model_dir=x", "--dataset=npz", "--data_dir=y"],
    ),
    "evaluate": (["model_dir", "data_dir", "checkpoint", "report"], ["--model_dir=x"]),
    "predict": (["model_dir", "checkpoint", "sheet"], ["a.png"]),
    "preview": (["data_dir", "out"], ["--dataset=npz", "--data_dir=y"]),
    "convert": (["archive_dir", "out", "checksums"], ["--archive_dir=x", "--out=y"]),
    "explain": (["out", "data_dir", "init_from"], []),
}
BAD = {
    "gs://bucket/run.png": "gs:// addresses are not read or written; name a path of this machine",
    "file:///tmp/run.png": "file:// addresses are not read",
    "s3a+x.y-z://b.png": "s3a+x.y-z:// addresses",
    "n\udce9.png": "the path is not UTF-8, which TensorFlow needs; rename the file or folder",
    "~no_such_user/x.png": "no home folder of ~no_such_user is known; write ./~no_such_user/x.png",
    "a\nb.png": "a line break",
    "a\0b.png": "a null character",
}


def all_flags(name):
    values = absl_flags.FlagValues()
    main.COMMANDS[name].define(values)
    return values


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_flag_that_takes_a_path_is_checked(name):
    """A new flag of a path is found by its name or its help."""
    values = all_flags(name)
    checked = {flag for flag in values if isinstance(values[flag].parser, paths._Parser)}
    assert checked == set(PATH_FLAGS[name][0])
    texts = {flag for flag in values if values[flag].flag_type() == "string"} - {"url", "box"}
    assert texts == checked, "a flag of any text is one of a path, or an exception above"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_what_is_no_path_of_this_machine_is_refused_by_each_flag(
    name, refused, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    names, others = PATH_FLAGS[name]
    for flag in names:
        for value, message in BAD.items():
            line = refused(1, name, *others, f"--{flag}={value}")
            assert f"--{flag}=" in line and message in line
    assert not list(tmp_path.iterdir())


def test_a_flagfile_is_a_path_too(refused):
    for value, message in BAD.items():
        assert message in refused(1, "train", f"--flagfile={value}", "--model_dir=x")


@pytest.mark.parametrize(
    "value",
    [
        "runs/x",
        "/a b/c",
        "",
        "a~b",
        "./~x",
        "x:/y",
        "run[1]",
        "k\u00e4se",
        "tr\\\\ail\t",
        "C:\\\\runs",
    ],
)
def test_other_paths_stay_as_they_are(value):
    assert paths.local(value) == value


def test_a_tilde_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    values = all_flags("train")
    values(["mtl", "--model_dir=~/runs/x", "--init_from=~"])
    assert (values.model_dir, values.init_from) == (str(tmp_path / "runs" / "x"), str(tmp_path))


def test_a_tilde_in_a_flagfile_is_expanded(monkeypatch, tmp_path, command):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.flags").write_text("--data_dir=~/no_such_folder\n")
    code, _, err = command(
        "preview", "--dataset=npz", "--flagfile=~/a.flags", f"--out={tmp_path / 'sheet.png'}"
    )
    assert code == 2 and f"{tmp_path}/no_such_folder: cannot be listed" in err
