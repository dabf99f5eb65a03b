"""`mtl preview`: a contact sheet of any dataset. Records are in test_processes.py."""

import os

import numpy as np
import pytest
from PIL import Image

from mtl import config
from mtl.data import npz
from mtl.data.drawn import synthetic
from mtl.data.examples import of_numbers
from mtl.reports import sheet


@pytest.mark.parametrize("style", config.choices("style"))
def test_sheet_shows_the_first_images_and_their_labels(command, tmp_path, style):
    out = tmp_path / "sheet.png"
    drawing = ["--dataset=synthetic", "--split=test", "--difficulty=0.25", f"--style={style}"]
    code, stdout, err = command("preview", *drawing, "--rows=2", "--columns=3", f"--out={out}")
    assert (code, stdout, err) == (0, f"{out}: the first 6 images of synthetic, test\n", "")
    examples = synthetic.load("", "test", count=6, style=style, difficulty=0.25)
    captions = [f"{name}\n{number}" for name, number in zip(examples.names, examples.numbers)]
    expected = sheet.draw(examples.inputs, captions, columns=3)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.asarray(expected))
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_dataset_smaller_than_the_sheet_is_shown_whole(command, tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (5, 64, 64, 3), np.uint8)
    numbers = ["1", "", "23", "1234567", "9"]
    names = ["a.png", "b.png", "two\nlines.png", "d.png", "e.png"]
    npz.save(str(tmp_path / "test.npz"), of_numbers(images, numbers, names))
    data = ["--dataset=npz", f"--data_dir={tmp_path}", "--split=test"]
    code, stdout, _ = command("preview", *data, f"--out={tmp_path / 'sheet.png'}")
    assert code == 0 and ": all 5 images of npz, test\n" in stdout
    captions = ["a.png\n1", "b.png\nno number", "two\\nlines.png\n23", "d.png\n1234567", "e.png\n9"]
    expected = sheet.draw(images, captions)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), expected)


def test_extension_names_the_format(command, tmp_path):
    out = tmp_path / "sheet.jpg"
    assert command("preview", "--rows=1", "--columns=1", f"--out={out}")[0] == 0
    assert Image.open(out).format == "JPEG"


@pytest.mark.parametrize(
    "flag, named",
    [
        ("--out=sheet", "--out"),
        ("--out=sheet.txt", "--out"),
        ("--rows=0", "rows"),
        ("--columns=101", "columns"),
        ("--difficulty=1.1", "--difficulty=1.1 must be from 0 to 1"),
        ("x", "'x'"),
    ],
)
def test_bad_flag_is_named(refused, flag, named):
    assert named in refused(1, "preview", flag)


def test_unwritable_out_is_refused_before_the_work(refused, tmp_path):
    missing = tmp_path / "nowhere" / "sheet.png"
    assert str(missing.parent) in refused(2, "preview", f"--out={missing}")
    (tmp_path / "taken.png").mkdir()
    assert "taken.png" in refused(2, "preview", f"--out={tmp_path / 'taken.png'}")
    assert os.listdir(tmp_path) == ["taken.png"]


def test_missing_dataset_is_named_and_nothing_written(refused, tmp_path):
    data = ["--dataset=folder", f"--data_dir={tmp_path / 'nowhere'}"]
    assert "nowhere" in refused(2, "preview", *data, f"--out={tmp_path / 'sheet.png'}")
    assert os.listdir(tmp_path) == []


def test_sheet_of_own_tasks_shows_each_label(command, tmp_path):
    images = np.random.default_rng(3).random((3, 9, 12))
    sizes = np.array([1.75, np.nan, 3.0])
    np.savez(tmp_path / "train.npz", images=images, kind=np.array([2, -1, 0]), size=sizes)
    np.savez(tmp_path / "validation.npz", images=images)  # else some belong to it
    data = ["--dataset=npz", f"--data_dir={tmp_path}", "--tasks=kind:3,size:real"]
    code, stdout, err = command("preview", *data, f"--out={tmp_path / 'sheet.png'}")
    assert (code, err) == (0, "") and ": all 3 images of npz, train\n" in stdout
    expected = sheet.draw(
        np.float32(images), ["0\nkind 2\nsize 1.75", "1\nno label", "2\nkind 0\nsize 3"]
    )
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), expected)


def test_features_cannot_be_shown(refused, tmp_path):
    np.savez(tmp_path / "test.npz", features=np.ones((3, 4)), kind=np.array([2, 1, 0]))
    data = [f"--data_dir={tmp_path}", "--split=test", "--tasks=kind:3"]
    out = f"--out={tmp_path / 'sheet.png'}"
    assert "test has features, not images" in refused(2, "preview", "--dataset=npz", *data, out)
    assert "has no images to show" in refused(1, "preview", "--dataset=table", *data, out)
    assert "choose --dataset=folder|npz|records|svhn, or rem" in refused(1, "preview", *data, out)
    named = refused(1, "preview", "--dataset=svhn", *data, out)
    assert "--dataset=svhn has only numbers, not the tasks kind:3; use" in named
    assert not (tmp_path / "sheet.png").exists()
