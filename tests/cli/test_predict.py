"""`mtl predict` with a fake network: flags, which images, and the output.

--box is in test_predict_box.py; a trained network predicts in tests/end_to_end.
"""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from mtl.cli import predict
from mtl.config import Config
from mtl.data import images
from mtl.reports import sheet

RUN = "--model_dir=run"


@pytest.fixture
def fake(network, monkeypatch, tmp_path):
    """Return the fake network, and go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return network


def save(path, red):
    """Write an image of one colour."""
    Image.new("RGB", (23, 17), (red, 80, 90)).save(path)


# -- flags -----------------------------------------------------------------------------------------


def test_empty_model_dir_is_refused(refused):
    line = refused(1, "predict", "--model_dir=", "a.png")
    assert "--model_dir" in line and "packaged network" in line


def test_image_is_required(refused):
    assert "IMAGE" in refused(1, "predict", RUN)


def test_missing_run_is_named(refused, tmp_path):
    run = tmp_path / "nowhere"
    assert str(run) in refused(2, "predict", f"--model_dir={run}", "a.png")


def test_only_check_args_reads_no_image(command):
    flags = ["--box=-1.5,2,3e1,.5", "--sheet=nowhere/a.jpg", "--csv", "--only_check_args"]
    assert command("predict", RUN, *flags) == (0, "", "")
    assert command("predict", RUN, "--box=1,2,3,0", "--only_check_args")[0] == 1


def test_json_and_csv_exclude_each_other(refused):
    line = refused(1, "predict", RUN, "--json", "--csv", "a.png")
    assert "--json" in line and "--csv" in line


@pytest.mark.parametrize("path", ["", "sheet", "sheet.pdf"])
def test_sheet_must_be_png_or_jpeg(refused, path):
    line = refused(1, "predict", RUN, f"--sheet={path}", "a.png")
    assert f"--sheet={path} must end in .png" in line


def test_unwritable_sheet_is_refused_before_the_work(fake, refused):
    save("a.png", 7)
    line = refused(2, "predict", RUN, "--sheet=nowhere/s.png", "a.png")
    assert line.startswith("mtl predict: nowhere: ") and "--sheet" in line
    assert fake.seen == []


@pytest.mark.parametrize(
    "run_views, flags, expected",
    [(1, [], 1), (4, [], 4), (4, ["--views=1"], 1), (1, ["--views=2"], 2)],
)
def test_views_follow_the_run_unless_given(fake, command, run_views, flags, expected):
    fake.config = Config(views=run_views)
    save("a.png", 7)
    code, out, _ = command("predict", RUN, *flags, "a.png")
    assert code == 0 and [len(crops) for crops in fake.seen] == [expected]
    # The fake reads 7 in half of the views and 248 in the negatives: the mean of 0.9 and 0.01,
    # once for the length and once for the digit.
    confidence = 0.81 if expected == 1 else (0.91 / 2) ** 2
    assert out.split()[::2] == ["a.png", f"{confidence:.3f}"]


def test_views_must_be_one_two_or_four(refused):
    assert "--views=3 must be one of 1, 2, 4" in refused(1, "predict", RUN, "--views=3", "a.png")


# -- which images ----------------------------------------------------------------------------------


def files(out):
    """List the files of the printed lines."""
    return [line.split("  ")[0] for line in out.splitlines()]


def test_files_folders_and_patterns_keep_their_order(fake, command, tmp_path):
    (tmp_path / "album" / "deep").mkdir(parents=True)
    paths = ["z.png", "album/b.bmp", "album/a.gif", "album/deep/c.webp", "d1.png", "d0.png"]
    for i, path in enumerate(paths):
        save(path, i + 1)
    (tmp_path / "album" / "labels.csv").write_text("file,label\n")
    arguments = ["z.png", "album", "d?.png", "album/**/*.webp", "z.png"]
    code, out, err = command("predict", RUN, *arguments)
    assert (code, err) == (0, "")
    album = ["album/a.gif", "album/b.bmp"]
    assert files(out) == ["z.png", *album, "d0.png", "d1.png", "album/deep/c.webp", "z.png"]


def test_argument_without_an_image_costs_one_line(fake, command, tmp_path):
    (tmp_path / "empty").mkdir()
    save("a.png", 7)
    code, out, err = command("predict", RUN, "*.jpg", "missing.png", "a.png", "empty")
    assert code == 2
    assert out == "a.png  7  0.810\n"  # 0.9 for the length times 0.9 for the digit
    for name, line in zip(["*.jpg", "missing.png", "empty"], err.splitlines(), strict=True):
        assert line.startswith(f"mtl predict: {name}: ")


def test_images_are_predicted_in_batches(fake, command, monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "BATCH", 4)
    (tmp_path / "many").mkdir()
    for i in range(11):
        save(f"many/{i:02}.png", i + 1)
    (tmp_path / "many" / "05.png").write_text("no image")
    code, out, err = command("predict", RUN, "many")
    assert code == 2 and err.count("\n") == 1 and "many/05.png" in err
    expected = [str(number) for number in range(1, 12) if number != 6]
    assert [line.split("  ")[1] for line in out.splitlines()] == expected
    assert [len(crops) for crops in fake.seen] == [4, 3, 3]


# -- output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number, confidence, line",
    [
        ("210", 0.98765, "a b.png  210  0.988"),
        ("", 1.0, "a b.png  no number  1.000"),
        (None, 0.0, "a b.png  more than 5 digits  0.000"),
        ("7", None, "a b.png  7  -"),
    ],
)
def test_line_names_the_file_the_number_and_the_confidence(capsys, number, confidence, line):
    predict._print_line({"file": "a b.png", "number": number, "confidence": confidence})
    assert capsys.readouterr().out == line + "\n"


def test_csv_and_json_agree(fake, command):
    names = ["a, b.png", 'the "c".png', "0.png", "x.png"]
    for name, red in zip(names, (210, 37, 0, 255), strict=True):
        save(name, red)
    code, out, err = command("predict", RUN, "--csv", *names, "missing.png")
    assert code == 2 and err.count("\n") == 1 and "\r" not in out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["file", "number", "confidence"]
    assert [row["file"] for row in rows] == names
    assert [row["number"] for row in rows] == ["210", "37", "", "X"]
    _, out, _ = command("predict", RUN, "--json", *names)
    objects = [json.loads(line) for line in out.splitlines()]
    assert [one["confidence"] for one in objects] == [float(row["confidence"]) for row in rows]
    assert [one["number"] for one in objects] == ["210", "37", "", None]


def test_csv_without_a_readable_image_is_the_header(fake, command):
    code, out, _ = command("predict", RUN, "--csv", "missing.png")
    assert (code, out) == (2, "file,number,confidence\n")


def windows_of(names):
    return np.stack([images.window(images.read(name)) for name in names])


def test_sheet_shows_each_window_with_its_number(fake, command):
    names = ["a.png", "b.png", "c.png"]
    for name, red in zip(names, (210, 0, 255), strict=True):
        save(name, red)
    code, out, err = command("predict", RUN, "--sheet=s.png", "a.png", "missing.png", *names[1:])
    assert code == 2 and files(out) == names and err.count("\n") == 1
    # 0.9 to the power of 4, 1 and 6.
    captions = ["210\n0.656", "no number\n0.900", "> 5 digits\n0.531"]
    expected = sheet.draw(windows_of(names), captions)
    np.testing.assert_array_equal(np.asarray(Image.open("s.png")), np.asarray(expected))


def test_full_sheet_reports_how_many_it_shows(fake, command, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    monkeypatch.setattr(predict, "SHEET", 3)
    names = [f"{i}.png" for i in range(5)]
    for i, name in enumerate(names):
        save(name, i + 1)
    code, out, err = command("predict", RUN, "--sheet=s.jpg", ".")
    assert code == 0 and len(files(out)) == 5
    assert err == "s.jpg: shows the first 3 of 5 images\n"
    expected = sheet.draw(windows_of(names[:3]), ["1\n0.810"] * 3)
    assert Image.open("s.jpg").size == expected.size


def test_empty_sheet_is_not_written(fake, command, tmp_path):
    code, out, err = command("predict", RUN, "--sheet=s.png", "missing.png")
    assert (code, out) == (2, "")
    assert err.splitlines()[1] == "s.png: not written, because no image could be read"
    assert list(tmp_path.iterdir()) == []
