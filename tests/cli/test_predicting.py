"""`mtl predict` of other tasks than numbers, and of datasets, with fake networks."""

import csv
import importlib
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from mtl import tasks
from mtl.cli import predicting
from mtl.config import Config
from mtl.inputs import Inputs
from tests.inference.test_network import OwnRun

RUN = "--model_dir=run"
TASKS = (tasks.Task("bright", 2), tasks.Task("mean", 1, "real"))


class Own:
    """A network of two tasks that depend on the mean of an example; it stores its inputs."""

    step, temperature, tasks = 5, 1.0, TASKS

    def __init__(self, inputs, **settings):
        self.inputs, self.seen = inputs, []
        self.config = Config(tasks="bright:2,mean:real", **{"dataset": "npz", **settings})

    def outputs(self, inputs):
        self.seen.append(inputs)
        means = inputs.reshape(len(inputs), -1).mean(axis=1, dtype=np.float64)
        share = means / (255.0 if self.inputs.dtype == "uint8" else 1.0)
        probabilities = np.float32(np.stack([1 - share, share], axis=1))
        with np.errstate(divide="ignore"):
            return {"bright": np.log(probabilities), "mean": np.float32(means)[:, None]}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """A function Own -> Own that commands then open, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def use(own):
        monkeypatch.setattr(predicting, "opened", lambda values: own)
        return own

    return use


def save_grey(path, value):
    Image.new("RGB", (30, 20), (value,) * 3).save(path)


# -- images ----------------------------------------------------------------------------------------


def test_images_are_resized_as_the_run_says(opened, command):
    own = opened(Own(Inputs((8, 12, 1), 0)))
    save_grey("a.png", 204)
    save_grey("b.png", 51)
    expected = "a.png  bright=1 (0.800)  mean=204\nb.png  bright=0 (0.800)  mean=51\n"
    assert command("predict", RUN, "a.png", "b.png") == (0, expected, "")
    assert own.seen[0].shape == (2, 8, 12, 1) and own.seen[0].dtype == np.uint8
    code, out, _ = command("predict", RUN, "--json", "a.png")
    assert json.loads(out) == {
        "file": "a.png",
        "tasks": {
            "bright": {"class": 1, "probabilities": pytest.approx([0.2, 0.8])},
            "mean": {"value": 204.0},
        },
    }


def test_a_box_is_cut_without_a_margin(opened, command):
    own = opened(Own(Inputs((4, 4, 3), 0)))
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[3:17, 8:22] = 200  # larger than the box, because resizing blends pixels at its edge
    Image.fromarray(pixels).save("a.png")
    assert command("predict", RUN, "--box=10,5,10,10", "a.png")[0] == 0
    assert own.seen[0].min() == 200
    with open("boxes.csv", "w") as file:
        file.write("file,left,top,width,height\na.png,10,5,10,10\na.png,0,0,5,5\n")
    _, out, _ = command("predict", RUN, "--boxes=boxes.csv", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0])[1:7] == ["left", "top", "width", "height", "bright", "bright_probability"]
    boxes = [[float(row[side]) for side in ("left", "top", "width", "height")] for row in rows]
    assert boxes == [[10, 5, 10, 10], [0, 0, 5, 5]]
    assert [(row["bright"], row["mean"]) for row in rows] == [("1", "200.0"), ("0", "0.0")]


def test_images_that_cannot_be_read_have_empty_cells(opened, command):
    opened(Own(Inputs((4, 4, 3), 0)))
    save_grey("a.png", 204)
    code, out, err = command("predict", RUN, "--csv", "gone.png", "a.png")
    assert code == 2 and err.startswith("mtl predict: gone.png: no such file; ")
    first, second = csv.DictReader(io.StringIO(out))
    assert list(first) == ["file", "bright", "bright_probability", "mean", "error"]
    assert (first["bright"], first["mean"], second["mean"]) == ("", "", "204.0")
    assert first["error"].startswith("no such file")


def test_header_of_csv_names_the_tasks_if_no_image_can_be_read(command, tmp_path, monkeypatch):
    from mtl import run_files

    run = run_files.Run(Own(Inputs()).config, TASKS, Inputs())
    monkeypatch.setattr(run_files, "read", lambda directory: run)
    code, out, _ = command("predict", f"--model_dir={tmp_path}", "--csv", "gone.png")
    assert code == 2
    assert out.splitlines()[0] == "file,bright,bright_probability,mean,error"


def test_sheet_shows_grey_floats_with_each_task(opened, command):
    opened(Own(Inputs((8, 12, 1), 0, "float32")))
    save_grey("a.png", 204)
    assert command("predict", RUN, "--sheet=s.png", "a.png")[0] == 0
    with Image.open("s.png") as page:
        assert page.mode == "RGB" and min(page.size) > 60


# -- datasets --------------------------------------------------------------------------------------


def test_npz_without_labels_is_predicted_by_index(opened, command, monkeypatch):
    own = opened(Own(Inputs((5, 7, 1), 3, "uint8")))
    monkeypatch.setattr(predicting, "BATCH", 4)
    images = np.random.default_rng(3).integers(0, 256, (11, 5, 7), np.uint8)
    np.savez("test.npz", images=images)
    flags = ["--dataset=npz", "--data_dir=."]
    code, out, err = command("predict", RUN, *flags, "--json")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [list(row) for row in rows] == [["index", "tasks"]] * 11
    assert [row["index"] for row in rows] == list(range(11))
    means = images[:, 1:4, 2:5].mean(axis=(1, 2))  # the centre crop
    values = [row["tasks"]["mean"]["value"] for row in rows]
    assert values == pytest.approx(means.tolist(), rel=1e-6)
    assert [len(seen) for seen in own.seen] == [4, 4, 3]
    _, out, _ = command("predict", RUN, *flags, "--csv")
    header, first, *others = out.splitlines()
    assert header == "index,bright,bright_probability,mean" and first.startswith("0,")
    assert len(others) == 10
    _, out, _ = command("predict", RUN, *flags)
    assert out.splitlines()[10].startswith("10  bright=")


def test_table_without_labels_is_predicted_in_the_order_of_its_run(opened, command):
    own = opened(Own(Inputs((2,), 0, "float32", ("a", "b"), (0.0, 0.0), (1.0, 1.0))))
    with open("test.csv", "w") as file:
        file.write("b,a\n0.5,0.25\n0.75,0.5\n")
    code, out, err = command("predict", RUN, "--dataset=table", "--data_dir=.")
    assert (code, err) == (0, "")
    assert out == "0  bright=0 (0.625)  mean=0.375\n1  bright=1 (0.625)  mean=0.625\n"
    np.testing.assert_array_equal(own.seen[0], np.float32([[0.25, 0.5], [0.5, 0.75]]))


def test_folder_without_labels_is_predicted_by_file(opened, command, tmp_path):
    opened(Own(Inputs((4, 4, 3), 0)))
    (tmp_path / "test").mkdir()
    save_grey("test/a.png", 204)
    (tmp_path / "test" / "labels.csv").write_text("file\na.png\n")
    flags = ["--dataset=folder", "--data_dir=.", "--split=test", "--sheet=s.png"]
    code, out, err = command("predict", RUN, *flags)
    assert (code, out, err) == (0, "a.png  bright=1 (0.800)  mean=204\n", "")
    assert (tmp_path / "s.png").exists()


def test_sheet_must_not_replace_an_image_of_the_dataset(opened, refused, tmp_path):
    own = opened(Own(Inputs((4, 4, 3), 0)))
    (tmp_path / "data" / "test").mkdir(parents=True)
    save_grey("data/test/a.png", 204)
    (tmp_path / "data" / "test" / "labels.csv").write_text("file\na.png\n")
    flags = ["--dataset=folder", "--data_dir=data"]
    line = refused(1, "predict", RUN, *flags, "--sheet=data/test/a.png")
    assert "--sheet: data/test/a.png is a file of the dataset; choose another file" in line
    assert own.seen == []


def test_numbers_of_a_dataset_are_predicted(fake, command):
    images = np.zeros((3, 64, 64, 3), np.uint8)
    images[:, :, :, 0] = np.array([7, 42, 0])[:, None, None]
    np.savez("test.npz", images=images)
    code, out, _ = command("predict", RUN, "--dataset=npz", "--data_dir=.")
    assert (code, out) == (0, "0  7  0.810\n1  42  0.729\n2  no number  0.900\n")
    _, out, _ = command("predict", RUN, "--dataset=npz", "--data_dir=.", "--csv")
    rows = [line.split(",")[:2] for line in out.splitlines()]
    assert rows == [["index", "number"], ["0", "7"], ["1", "42"], ["2", "no number"]]


def test_data_dir_is_that_of_the_run_for_the_same_dataset(opened, command, refused):
    opened(Own(Inputs((5, 7, 1), 0), data_dir="."))
    np.savez("test.npz", images=np.zeros((2, 5, 7), np.uint8))
    assert command("predict", RUN, "--dataset=npz")[0] == 0
    line = refused(1, "predict", RUN, "--dataset=folder")
    assert "--data_dir is required with --dataset=folder" in line


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--data_dir=d", "a.png"], "--data_dir=d needs a dataset; add --dataset="),
        (["--split=test", "a.png"], "--split=test needs a dataset; add --dataset="),
        (["--dataset=npz", "a.png"], "'a.png' and --dataset=npz cannot be combined; give image"),
        (["--dataset=npz", "--box=1,2,3,4"], "--box applies to image files, not to --dataset=npz"),
        (["--dataset=npz", "--boxes=b.csv"], "--boxes applies to image files, not to --dataset="),
        (["--dataset=synthetic"], "--dataset=synthetic"),
    ],
)
def test_flags_that_exclude_each_other(refused, flags, message):
    assert message in refused(1, "predict", RUN, *flags)


@pytest.mark.parametrize("flag", ["--views=1", "--temperature=0.5"])
def test_flags_of_numbers_are_refused_for_other_tasks(opened, refused, flag):
    own = opened(Own(Inputs((4, 4, 3), 0)))
    save_grey("a.png", 9)
    line = refused(1, "predict", RUN, flag, "a.png")
    assert line == (
        f"mtl predict: {flag} applies only to numbers, but run has other tasks; remove the flag\n"
    )
    assert own.seen == []


def test_image_for_a_network_of_features_is_refused(opened, refused):
    opened(Own(Inputs((3,), 0, "float32")))
    save_grey("a.png", 9)
    line = refused(1, "predict", RUN, "a.png")
    what = "run: the network takes float32 features [3], not image files"
    assert line.startswith(f"mtl predict: {what}; use --dataset=table or npz with --data_dir")


def test_sheet_of_features_is_refused(opened, refused):
    opened(Own(Inputs((3,), 0, "float32")))
    line = refused(1, "predict", RUN, "--dataset=npz", "--data_dir=.", "--sheet=s.png")
    assert "--sheet shows images, but the network takes float32 features [3]" in line


def test_table_for_a_network_of_images_is_refused(opened, refused):
    opened(Own(Inputs((4, 4, 3), 0)))
    with open("test.csv", "w") as file:
        file.write("a,b\n1,2\n")
    line = refused(2, "predict", RUN, "--dataset=table", "--data_dir=.")
    assert "test.csv" in line and "uint8 images [4, 4, 3]" in line


def test_missing_split_is_named(opened, refused):
    opened(Own(Inputs((5, 7, 1), 0)))
    np.savez("train.npz", images=np.zeros((2, 5, 7), np.uint8))
    line = refused(2, "predict", RUN, "--dataset=npz", "--data_dir=.")
    assert "no split 'test.npz', found train" in line


# -- code of the user ------------------------------------------------------------------------------


def test_bottom_of_the_user_is_found_in_the_current_folder(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    OwnRun.save(tmp_path, bottom="my_own_net:net")
    np.savez("test.npz", images=np.zeros((2, 9, 11), np.uint8))
    flags = ["--model_dir=.", "--dataset=npz", "--data_dir=."]
    code, out, err = command("predict", *flags)
    assert (code, out) == (2, "")
    assert err.startswith("mtl predict: .: its --bottom=my_own_net:net cannot be imported (")
    assert "PYTHONPATH" in err and err.count("\n") == 1
    with open("my_own_net.py", "w") as file:
        file.write("from mtl.bottoms import mlp as net\n")
    importlib.invalidate_caches()
    code, out, err = command("predict", *flags)
    assert (code, err) == (0, "")
    assert [line.split("=")[0] for line in out.splitlines()] == ["0  odd", "1  odd"]
