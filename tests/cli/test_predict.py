"""`mtl predict` with a fake network: flags, which images, batches and sheets.

--box is in test_predict_box.py, the rows are in test_answers.py; a trained network predicts in
tests/end_to_end.
"""

import contextlib
import io
import os
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image

from mtl.cli import console, main, predicting
from mtl.config import Config
from mtl.data import images
from mtl.reports import sheet
from tests.image_files import save

RUN = "--model_dir=run"


# -- flags -----------------------------------------------------------------------------------------


def test_empty_model_dir_is_refused(refused):
    line = refused(1, "predict", "--model_dir=", "a.png")
    assert "--model_dir" in line and "packaged network" in line


def test_image_is_required(refused):
    assert "IMAGE" in refused(1, "predict", RUN)


def test_missing_run_is_named(refused, tmp_path):
    run = tmp_path / "nowhere"
    image = str(tmp_path / "a.png")
    save(image, 7)
    assert str(run) in refused(2, "predict", f"--model_dir={run}", image)


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


def test_missing_files_are_reported_without_tensorflow(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def fail(verbosity):
        raise AssertionError("TensorFlow is started")

    monkeypatch.setattr(console, "start_tensorflow", fail)
    code, out, err = command("predict", "--csv", "b.png", "*.jpg")
    assert code == 2
    assert [line.split(",")[0] for line in out.splitlines()] == ["file", "b.png", "*.jpg"]
    assert [line.split(": ")[1] for line in err.splitlines()] == ["b.png", "*.jpg"]


# -- batches ---------------------------------------------------------------------------------------


def test_images_are_predicted_in_batches(fake, command, monkeypatch, tmp_path):
    monkeypatch.setattr(predicting, "BATCH", 4)
    (tmp_path / "many").mkdir()
    for i in range(11):
        save(f"many/{i:02}.png", i + 1)
    (tmp_path / "many" / "05.png").write_text("no image")
    code, out, err = command("predict", RUN, "many")
    assert code == 2 and err.count("\n") == 1 and "many/05.png" in err
    expected = [str(number) for number in range(1, 12) if number != 6]
    assert [line.split("  ")[1] for line in out.splitlines()] == expected
    assert [len(crops) for crops in fake.seen] == [4, 3, 3]


def test_a_large_file_ends_its_batch(fake, command, monkeypatch):
    names = [f"{i}.png" for i in range(7)]
    for i, name in enumerate(names):
        save(name, i + 1)
    for name in ("2.png", "3.png"):
        with open(name, "ab") as file:  # after the end of the image, where it is ignored
            file.write(bytes(5000))
    monkeypatch.setattr(predicting, "BYTES", 5000)
    code, out, err = command("predict", RUN, *names)
    assert (code, err, files(out)) == (0, "", names)
    assert [len(crops) for crops in fake.seen] == [3, 1, 3]


class Recorder(io.StringIO):
    """A stream that lists what is written and flushed, and what the network does meanwhile."""

    def __init__(self, events):
        super().__init__()
        self._events, self._line = events, ""

    def write(self, text):
        self._line += text

    def flush(self):
        self._events += self._line.splitlines()
        self._line = ""


def test_a_batch_is_printed_before_the_next_is_decoded(fake, command, monkeypatch):
    events = []
    monkeypatch.setattr(predicting, "BATCH", 2)
    monkeypatch.setattr(sys, "stdout", Recorder(events))
    monkeypatch.setattr(sys, "stderr", Recorder(events))
    real = images.read

    def read(path, *others):
        events.append(f"read {path}")
        return real(path, *others)

    monkeypatch.setattr(images, "read", read)
    for i in range(4):
        save(f"{i}.png", i + 1)
    with open("1.png", "w") as file:
        file.write("no image")
    assert main.run(["predict", RUN, "0.png", "1.png", "2.png", "nowhere.png", "3.png"]) == 2
    assert [event.split("  ")[0].split(": ")[:2][-1] for event in events] == [
        "nowhere.png",  # known before the network is loaded
        "read 0.png",
        "read 1.png",
        "0.png",
        "1.png",
        "read 2.png",
        "2.png",
        "read 3.png",
        "3.png",
    ]


def test_the_bar_counts_images_that_are_printed(fake, command, monkeypatch):
    counted = []

    class Bar:
        def update(self, count):
            counted.append((count, len(fake.seen)))

    def bar(total, shown):
        counted.append(total)
        return contextlib.nullcontext(Bar())

    monkeypatch.setattr(console, "bar", bar)
    monkeypatch.setattr(predicting, "BATCH", 2)
    for i in range(3):
        save(f"{i}.png", i + 1)
    assert command("predict", RUN, "0.png", "1.png", "2.png")[0] == 0
    assert counted == [3, (2, 1), (1, 2)]


# -- sheets ----------------------------------------------------------------------------------------


def windows_of(names):
    return np.stack([images.window(images.read(name)) for name in names])


def assert_page(path, names, numbers):
    """Check that a page shows the windows of images with their captions."""
    captions = ["\n".join(lines) for lines in zip(names, numbers)]
    expected = sheet.draw(windows_of(names), captions, columns=10, scale=2)
    with Image.open(path) as page:
        np.testing.assert_array_equal(np.asarray(page), np.asarray(expected))


def test_sheet_shows_each_window_with_its_file_number_and_confidence(fake, command):
    names = ["a.png", "b.png", "c.png"]
    for name, red in zip(names, (210, 0, 255), strict=True):
        save(name, red)
    code, out, err = command("predict", RUN, "--sheet=s.png", "a.png", "missing.png", *names[1:])
    assert code == 2 and files(out) == names
    first, second = err.splitlines()
    assert first.startswith("mtl predict: missing.png: ")
    assert second == "s.png: shows 3 of 4 images; the others could not be read"
    # 0.9 to the power of 4, 1 and 6.
    assert_page("s.png", names, ["210\n0.656", "no number\n0.900", "more than 5 digits\n0.531"])


def test_more_images_than_a_page_shows_go_on_other_pages(fake, command, monkeypatch):
    monkeypatch.setattr(predicting, "BATCH", 4)
    monkeypatch.setattr(sheet, "PAGE", 3)
    names = [f"{i}.png" for i in range(7)]
    for i, name in enumerate(names):
        save(name, i + 1)
    code, out, err = command("predict", RUN, "--sheet=s.png", *names)
    assert code == 0 and files(out) == names
    assert err == "s.png to s-3.png: 3 pages with 7 images\n"
    for first, page in zip((0, 3, 6), ("s.png", "s-2.png", "s-3.png")):
        shown = range(first, min(first + 3, 7))
        assert_page(page, [names[i] for i in shown], [f"{i + 1}\n0.810" for i in shown])


def test_each_page_is_checked_before_the_work(fake, refused, monkeypatch):
    monkeypatch.setattr(sheet, "PAGE", 3)
    for i in range(7):
        save(f"{i}.png", i + 1)
    os.mkdir("s-3.png")
    names = [f"{i}.png" for i in range(7)]
    assert "s-3.png: is a folder" in refused(2, "predict", RUN, "--sheet=s.png", *names)
    assert fake.seen == [] and not os.path.exists("s.png")
    # An image that is known to be missing needs no cell.
    assert main.run(["predict", RUN, "--sheet=s.png", *names[:6], "missing.png"]) == 2
    assert os.path.exists("s-2.png")


def test_sheet_must_not_replace_an_image(fake, refused, monkeypatch):
    monkeypatch.setattr(sheet, "PAGE", 1)
    for name in ("a.png", "s-2.png"):
        save(name, 7)
    before = pathlib.Path("s-2.png").read_bytes()
    line = refused(1, "predict", RUN, "--sheet=./s.png", "a.png", "s-2.png")
    assert "s-2.png is one of the images to read" in line
    assert fake.seen == [] and pathlib.Path("s-2.png").read_bytes() == before


def test_empty_sheet_is_not_written(fake, command, tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    for name in ("missing.png", "broken.png"):
        code, out, err = command("predict", RUN, "--sheet=s.png", name)
        assert (code, out) == (2, "")
        assert err.splitlines()[1] == "s.png: not written, because no image could be read"
    assert os.listdir(tmp_path) == ["broken.png"]


def test_help_says_how_many_images_a_page_shows(command):
    assert f"{sheet.PAGE} images a page" in command("predict", "--help")[1]
