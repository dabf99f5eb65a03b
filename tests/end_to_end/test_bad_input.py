"""Bad input by the command line: the exit code, one line that names the file, nothing written."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

TRAIN = ["--bottom=mlp", "--steps=2", "--batch_size=3"]


@pytest.fixture
def folder(tmp_path):
    """A function (lines of labels.csv) -> a folder dataset with a.png and b.png in train."""

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
    """A function (*flags) -> the line of `mtl train`, which exits 2 and leaves no run directory."""

    def command(*flags):
        line = refused(2, "train", f"--model_dir={tmp_path / 'run'}", *TRAIN, *flags)
        assert not (tmp_path / "run").exists()
        return line

    return command


# -- data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["svhn", "folder", "npz", "records"])
def test_a_missing_folder(refuses_to_train, tmp_path, dataset):
    missing = tmp_path / "nowhere"
    assert str(missing) in refuses_to_train(f"--dataset={dataset}", f"--data_dir={missing}")


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


def test_a_truncated_image_in_a_dataset(refuses_to_train, folder):
    data = folder("a.png,12", "b.png,3")
    for name in ("a.png", "b.png"):
        content = (data / "train" / name).read_bytes()
        (data / "train" / name).write_bytes(content[: len(content) // 2])
    assert ".png" in refuses_to_train("--dataset=folder", f"--data_dir={data}")


def test_a_digit_struct_that_is_not_hdf5(refuses_to_train, tmp_path):
    path = tmp_path / "data" / "train" / "digitStruct.mat"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"MATLAB 5.0 MAT-file, of the older kind")
    line = refuses_to_train("--dataset=svhn", f"--data_dir={tmp_path / 'data'}")
    assert str(path) in line


def test_a_digit_struct_without_a_field(refuses_to_train, tmp_path):
    path = tmp_path / "data" / "train" / "digitStruct.mat"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file.create_group("digitStruct").create_dataset("name", data=np.zeros((1, 3), np.uint16))
    line = refuses_to_train("--dataset=svhn", f"--data_dir={tmp_path / 'data'}")
    assert str(path) in line and "bbox" in line


# -- images ----------------------------------------------------------------------------------------


@pytest.fixture
def bad_images(tmp_path, image_files):
    """Paths of a truncated PNG, an empty one, a folder, a text and a missing file."""
    with open(image_files[0], "rb") as file:
        content = file.read()
    (tmp_path / "truncated.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "directory.png").mkdir()
    (tmp_path / "text.png").write_text("not an image")
    names = ("truncated", "empty", "directory", "text", "missing")
    return [str(tmp_path / f"{name}.png") for name in names]


def test_each_bad_image_is_one_line(refused, trained, bad_images):
    for path in bad_images:
        assert path in refused(2, "predict", f"--model_dir={trained.model_dir}", path)


def test_good_images_among_bad_ones_are_predicted(command, trained, bad_images, image_files):
    mixed = [bad_images[0], image_files[1], *bad_images[1:], image_files[3]]
    code, out, err = command("predict", f"--model_dir={trained.model_dir}", "--json", *mixed)
    assert code == 2
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["file"] for row in rows] == [str(path) for path in mixed]
    assert [row["number"] for row in rows if "error" not in row] == ["210", "48"]
    # Errors that are known before the images are decoded come first.
    named = [line.removeprefix("mtl predict: ").split(": ")[0] for line in err.splitlines()]
    assert sorted(named) == sorted(str(path) for path in bad_images)


# -- run directories and checkpoints ---------------------------------------------------------------


def test_a_run_of_another_network_is_not_overwritten(refused, trained):
    before = sorted(os.listdir(trained.model_dir))
    flags = [f"--flagfile={trained.model_dir}/flags.flags", "--bottom=small", "--steps=99"]
    line = refused(1, "train", f"--model_dir={trained.model_dir}", *flags)
    assert trained.model_dir in line and "--bottom=mlp" in line
    assert sorted(os.listdir(trained.model_dir)) == before


def test_weights_of_another_network_are_rejected(refuses_to_train, trained):
    data = ["--dataset=npz", f"--data_dir={trained.data_dir}"]
    line = refuses_to_train("--bottom=small", f"--init_from={trained.model_dir}", *data)
    assert trained.model_dir in line and "--bottom" in line


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the finished run that a test may change."""
    return shutil.copytree(trained.model_dir, tmp_path / "run")


def edit_config(run, old, new):
    """Replace a text in config.json."""
    text = (run / "config.json").read_text()
    assert old in text
    (run / "config.json").write_text(text.replace(old, new))


def test_a_checkpoint_that_does_not_fit_config_json(refused, run, image_files):
    edit_config(run, '"bottom": "mlp"', '"bottom": "small"')
    assert str(run) in refused(2, "evaluate", f"--model_dir={run}")
    assert str(run) in refused(2, "predict", f"--model_dir={run}", image_files[0])


@pytest.mark.parametrize(
    "old, new, what",
    [
        ("16,\n      16,", "9,\n      9,", "--crop=14 does not fit images of 9 x 9 pixels"),
        ("7\n    ]", "9\n    ]", '"tasks" is [["length", 9], '),
    ],
    ids=["image size", "tasks"],
)
def test_a_run_of_other_tasks_or_image_sizes_is_rejected(refused, run, image_files, old, new, what):
    edit_config(run, old, new)
    for command in (["evaluate"], ["predict", image_files[0]], ["train", "--bottom=mlp"]):
        line = refused(2, command[0], f"--model_dir={run}", *command[1:])
        assert f"{run}/config.json: not the record of a run of mtl ({what}" in line
        assert "restore it from a copy" in line


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"config": {"bottom": 3}}',
        '{"config": {"colour": "red"}}',
        '{"config": {"batch_size": 0}}',
    ],
)
def test_a_broken_config_json(refused, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(content)
    line = refused(2, "evaluate", f"--model_dir={tmp_path / 'run'}")
    assert str(tmp_path / "run" / "config.json") in line


def test_a_run_without_checkpoint(refused, trained, image_files, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(os.path.join(trained.model_dir, "config.json"), run)
    assert str(run) in refused(2, "evaluate", f"--model_dir={run}")
    assert str(run) in refused(2, "predict", f"--model_dir={run}", image_files[0])


def test_init_from_a_folder_without_checkpoint(refuses_to_train, tmp_path):
    (tmp_path / "start").mkdir()
    assert str(tmp_path / "start") in refuses_to_train(f"--init_from={tmp_path / 'start'}")


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_a_truncated_checkpoint(refused, run, suffix):
    path = run / f"model.ckpt-60{suffix}"
    # A fifth: weights are lost, not only Adam's slots.
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 5])
    line = refused(2, "evaluate", f"--model_dir={run}", "--checkpoint=last")
    assert str(run / "model.ckpt-60") in line


def test_a_path_that_is_not_a_checkpoint(refused, trained):
    path = f"{trained.model_dir}/model.ckpt-31"
    line = refused(2, "evaluate", f"--model_dir={trained.model_dir}", f"--checkpoint={path}")
    assert "model.ckpt-31" in line
