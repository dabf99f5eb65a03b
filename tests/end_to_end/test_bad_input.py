"""Bad input by the command line: the exit code, one line that names the file, nothing written, nothing lost."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

TRAIN = ["--bottom=mlp", "--steps=2", "--batch_size=3"]


@pytest.fixture
def folder(tmp_path):
    """Return a function (lines of labels.csv) -> a data set of the kind `folder` with the pictures a.png and b.png in train."""

    def make(*lines):
        directory = tmp_path / "data" / "train"
        directory.mkdir(parents=True)
        for name, level in [("a.png", 40), ("b.png", 200)]:
            Image.new("RGB", (9, 7), (level,) * 3).save(directory / name)
        (directory / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
        return directory.parent

    return make


@pytest.fixture
def refuses_to_train(refused, tmp_path):
    """Return a function (*flags) -> the line of `mtl train` that ends with exit code 2 and leaves no run directory."""

    def command(*flags):
        line = refused(2, "train", f"--model_dir={tmp_path / 'run'}", *TRAIN, *flags)
        assert not (tmp_path / "run").exists()
        return line

    return command


# -- data ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["svhn", "folder", "npz", "records"])
def test_a_missing_folder(refuses_to_train, tmp_path, dataset):
    assert str(tmp_path / "nowhere") in refuses_to_train(
        f"--dataset={dataset}", f"--data_dir={tmp_path / 'nowhere'}"
    )


@pytest.mark.parametrize(
    "lines, named",
    [
        (["a.png,12", "b.png,3x"], "'3x'"),
        (["a.png,12", "c.png,3"], "c.png"),
        (["a.png"], "labels.csv"),
        ([], "labels.csv"),
    ],
    ids=["letter", "missing file", "one field", "empty"],
)
def test_a_bad_labels_csv(refuses_to_train, folder, lines, named):
    data = folder(*lines)
    line = refuses_to_train("--dataset=folder", f"--data_dir={data}")
    assert named in line and str(data / "train" / "labels.csv") in line


def test_a_truncated_picture_in_a_data_set(refuses_to_train, folder):
    data = folder("a.png,12", "b.png,3")
    for name in ("a.png", "b.png"):
        content = (data / "train" / name).read_bytes()
        (data / "train" / name).write_bytes(content[: len(content) // 2])
    assert ".png" in refuses_to_train("--dataset=folder", f"--data_dir={data}")


def test_a_digit_struct_that_is_no_hdf5(refuses_to_train, tmp_path):
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "digitStruct.mat").write_bytes(
        b"MATLAB 5.0 MAT-file, of the older kind"
    )
    assert str(tmp_path / "data" / "train" / "digitStruct.mat") in refuses_to_train(
        "--dataset=svhn", f"--data_dir={tmp_path / 'data'}"
    )


def test_a_digit_struct_that_lacks_a_field(refuses_to_train, tmp_path):
    (tmp_path / "data" / "train").mkdir(parents=True)
    path = tmp_path / "data" / "train" / "digitStruct.mat"
    with h5py.File(path, "w") as file:
        file.create_group("digitStruct").create_dataset("name", data=np.zeros((1, 3), np.uint16))
    line = refuses_to_train("--dataset=svhn", f"--data_dir={tmp_path / 'data'}")
    assert str(path) in line and "bbox" in line


# -- pictures -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_pictures(tmp_path, pictures):
    """Return the paths of a truncated PNG, an empty one, a directory, a text and a file that is not there."""
    with open(pictures[0], "rb") as file:
        content = file.read()
    (tmp_path / "truncated.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "directory.png").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    return [
        str(tmp_path / f"{name}.png")
        for name in ("truncated", "empty", "directory", "text", "missing")
    ]


def test_a_bad_picture_costs_one_line_each(refused, trained, bad_pictures):
    for path in bad_pictures:
        assert path in refused(2, "predict", f"--model_dir={trained.model_dir}", path)


def test_good_pictures_among_bad_ones_are_read(command, trained, bad_pictures, pictures):
    mixed = [bad_pictures[0], pictures[1], *bad_pictures[1:], pictures[3]]
    code, out, err = command("predict", f"--model_dir={trained.model_dir}", "--json", *mixed)
    assert code == 2
    assert [json.loads(line)["number"] for line in out.splitlines()] == ["210", "48"]
    lines = err.splitlines()
    assert len(lines) == len(bad_pictures)
    assert all(line.startswith(f"mtl predict: {path}") for line, path in zip(lines, bad_pictures))


# -- run directories and checkpoints ------------------------------------------------------------------------------------------------


def test_a_run_of_another_architecture_is_not_overwritten(refused, trained):
    before = sorted(os.listdir(trained.model_dir))
    flags = [f"--flagfile={trained.model_dir}/flags.flags", "--bottom=small", "--steps=99"]
    line = refused(1, "train", f"--model_dir={trained.model_dir}", *flags)
    assert trained.model_dir in line and "--bottom=mlp" in line
    assert sorted(os.listdir(trained.model_dir)) == before


def test_weights_of_another_architecture_are_not_started_from(refuses_to_train, trained):
    flags = [
        "--bottom=small",
        f"--init_from={trained.model_dir}",
        "--dataset=npz",
        f"--data_dir={trained.data_dir}",
    ]
    line = refuses_to_train(*flags)
    assert trained.model_dir in line and "--bottom" in line


def test_a_checkpoint_that_does_not_fit_the_record(refused, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.model_dir, run)
    record = (run / "config.json").read_text()
    (run / "config.json").write_text(record.replace('"bottom": "mlp"', '"bottom": "small"'))
    for command in ("evaluate", "predict"):
        assert str(run) in refused(
            2, command, f"--model_dir={run}", *(["a.png"] if command == "predict" else [])
        )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"config": {"bottom": 3}}', '{"config": {"colour": "red"}}']
)
def test_a_broken_record(refused, trained, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(content)
    assert str(tmp_path / "run" / "config.json") in refused(
        2, "evaluate", f"--model_dir={tmp_path / 'run'}"
    )


def test_a_run_without_checkpoint(refused, trained, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(os.path.join(trained.model_dir, "config.json"), tmp_path / "run")
    for command in ("evaluate", "predict"):
        assert str(tmp_path / "run") in refused(
            2,
            command,
            f"--model_dir={tmp_path / 'run'}",
            *(["a.png"] if command == "predict" else []),
        )


def test_a_folder_without_checkpoint_to_start_from(refuses_to_train, tmp_path):
    (tmp_path / "start").mkdir()
    assert str(tmp_path / "start") in refuses_to_train(f"--init_from={tmp_path / 'start'}")


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_a_truncated_checkpoint(refused, trained, tmp_path, ending):
    run = tmp_path / "run"
    shutil.copytree(trained.model_dir, run)
    path = run / f"model.ckpt-60{ending}"
    path.write_bytes(
        path.read_bytes()[: path.stat().st_size // 5]
    )  # so little that weights are gone, not Adam's slots alone
    line = refused(2, "evaluate", f"--model_dir={run}", "--checkpoint=last")
    assert str(run / "model.ckpt-60") in line


def test_a_path_that_is_no_checkpoint(refused, trained):
    assert "model.ckpt-31" in refused(
        2,
        "evaluate",
        f"--model_dir={trained.model_dir}",
        f"--checkpoint={trained.model_dir}/model.ckpt-31",
    )
