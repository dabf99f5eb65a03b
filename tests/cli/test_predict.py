"""`mtl predict` with a network of a few lines of NumPy; with a trained one it is in tests/end_to_end."""

import csv
import io
import json

import h5py
import numpy as np
import pytest
from PIL import Image

from mtl.cli import predict
from mtl.config import CROP, WINDOW, Config
from mtl.data import batches, images
from mtl.data.svhn import reader
from mtl.reports import sheet

READ = ["--model_dir=run"]


@pytest.fixture
def fake(network, monkeypatch, tmp_path):
    """Go to an empty folder, and return the network that reads there."""
    monkeypatch.chdir(tmp_path)
    return network


def flat(path, red):
    Image.new("RGB", (23, 17), (red, 80, 90)).save(path)


# -- flags ----------------------------------------------------------------------------------------------------------------------------


def test_an_empty_model_dir_is_refused_and_the_packaged_network_named(refused):
    line = refused(1, "predict", "--model_dir=", "a.png")
    assert "--model_dir" in line and "comes with the package" in line


def test_without_an_image_it_asks_for_one(refused):
    assert "IMAGE" in refused(1, "predict", "--model_dir=x")


def test_a_missing_run_is_named(refused, tmp_path):
    assert str(tmp_path / "nowhere") in refused(
        2, "predict", f"--model_dir={tmp_path / 'nowhere'}", "a.png"
    )


@pytest.mark.parametrize("box", ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "1 2 3 4", "1,2,,4"])
def test_a_box_is_four_numbers(refused, box):
    assert f"--box={box} must be four numbers" in refused(
        1, "predict", *READ, f"--box={box}", "a.png"
    )


@pytest.mark.parametrize("box", ["1,2,0,4", "1,2,3,-4", "nan,2,3,4", "1,2,nan,4", "1,inf,3,4"])
def test_a_box_has_a_size(refused, box):
    assert f"--box={box} must be finite" in refused(1, "predict", *READ, f"--box={box}", "a.png")


def test_only_flags_are_checked(command):
    flags = ["--box=-1.5,2,3e1,.5", "--sheet=nowhere/a.jpg", "--csv", "--only_check_args"]
    assert command("predict", *READ, *flags) == (0, "", "")
    assert command("predict", *READ, "--box=1,2,3,0", "--only_check_args")[0] == 1


def test_one_way_to_print_at_a_time(refused):
    line = refused(1, "predict", *READ, "--json", "--csv", "a.png")
    assert "--json" in line and "--csv" in line


@pytest.mark.parametrize("path", ["", "sheet", "sheet.pdf"])
def test_a_sheet_is_png_or_jpeg(refused, path):
    assert f"--sheet={path} must end in .png" in refused(
        1, "predict", *READ, f"--sheet={path}", "a.png"
    )


def test_a_sheet_that_cannot_be_written_is_found_before_the_work(fake, refused):
    flat("a.png", 7)
    assert "nowhere: no such folder for --sheet" in refused(
        2, "predict", *READ, "--sheet=nowhere/s.png", "a.png"
    )
    assert fake.seen == []


# -- which pictures -------------------------------------------------------------------------------------------------------------------


def files(out):
    return [line.split("  ")[0] for line in out.splitlines()]


def test_files_folders_and_patterns_in_the_order_given(fake, command, tmp_path):
    (tmp_path / "album" / "deep").mkdir(parents=True)
    for i, path in enumerate(
        ["z.png", "album/b.bmp", "album/a.gif", "album/deep/c.webp", "d1.png", "d0.png"]
    ):
        flat(path, i + 1)
    (tmp_path / "album" / "labels.csv").write_text("file,label\n")
    code, out, err = command(
        "predict", *READ, "z.png", "album", "d?.png", "album/**/*.webp", "z.png"
    )
    assert (code, err) == (0, "")
    assert files(out) == [
        "z.png",
        "album/a.gif",
        "album/b.bmp",
        "d0.png",
        "d1.png",
        "album/deep/c.webp",
        "z.png",
    ]


def test_what_names_no_picture_costs_a_line_in_its_turn(fake, command, tmp_path):
    (tmp_path / "empty").mkdir()
    flat("a.png", 7)
    code, out, err = command("predict", *READ, "*.jpg", "missing.png", "a.png", "empty")
    assert code == 2 and out == "a.png  7  0.810\n"  # 0.9 for the length, 0.9 for the digit
    starts = [
        "*.jpg: no images match this pattern",
        "missing.png: no such file",
        "empty: no images in this folder",
    ]
    assert [
        line.startswith(f"mtl predict: {start}")
        for line, start in zip(err.splitlines(), starts, strict=True)
    ] == [True] * 3


def test_many_pictures_are_read_in_batches(fake, command, monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "BATCH", 4)
    (tmp_path / "many").mkdir()
    for i in range(11):
        flat(f"many/{i:02}.png", i + 1)
    (tmp_path / "many" / "05.png").write_text("no picture")
    code, out, err = command("predict", *READ, "many")
    assert code == 2 and err.count("\n") == 1 and "many/05.png" in err
    assert [line.split("  ")[1] for line in out.splitlines()] == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "7",
        "8",
        "9",
        "10",
        "11",
    ]
    assert [len(crops) for crops in fake.seen] == [4, 3, 3]


@pytest.mark.parametrize(
    "of_the_run, flags, expected",
    [(1, [], 1), (4, [], 4), (4, ["--views=1"], 1), (1, ["--views=2"], 2)],
)
def test_as_many_views_are_averaged_as_the_run_says_or_the_flag(
    fake, command, of_the_run, flags, expected
):
    fake.config = Config(views=of_the_run)
    flat("a.png", 7)
    code, out, _ = command("predict", *READ, *flags, "a.png")
    assert code == 0 and [len(crops) for crops in fake.seen] == [expected]
    # The fake reads 7 in the picture and 248 in its negative, in two views of four: half of 0.9 and half of 0.01, for length and digit.
    confidence = 0.81 if expected == 1 else (0.91 / 2) ** 2
    assert out.split() == ["a.png", out.split()[1], f"{confidence:.3f}"]


def test_views_are_one_two_or_four(refused):
    assert "--views=3" in refused(1, "predict", *READ, "--views=3", "a.png")


# -- the box --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [(3, 4, 21.5, 11), (-5, 10, 30, 60), (0.25, 0.5, 7, 33)])
def test_a_box_gives_what_the_data_set_gives(fake, command, tmp_path, box):
    # One digit, so that digitStruct.mat holds its values in place; the picture is the first of test.
    (tmp_path / "test").mkdir()
    pixels = np.random.default_rng(5).integers(0, 256, (37, 53, 3), np.uint8)
    Image.fromarray(pixels).save("test/1.png")
    with h5py.File("test/digitStruct.mat", "w") as file:
        file["digitStruct/name"] = np.array([[ord(letter)] for letter in "1.png"], np.uint16)
        for field, value in zip(
            ("label", "left", "top", "width", "height"), (4, *box), strict=True
        ):
            file[f"digitStruct/bbox/{field}"] = np.array([[value]], np.float64)
    code, _, err = command("predict", *READ, f"--box={','.join(map(str, box))}", "test/1.png")
    assert (code, err) == (0, "")
    np.testing.assert_array_equal(
        fake.seen[0], batches.centre_crop(reader.load(str(tmp_path), "test").images, CROP)
    )


def test_a_box_counts_from_the_corner_of_the_upright_picture(fake, command):
    pixels = np.random.default_rng(6).integers(0, 256, (80, 120, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels, 1))).save("turned.png", exif=exif)
    # 1.3 times 50 x 40 is 65 x 52, and so its corner 7.5 and 6 further out.
    assert command("predict", *READ, "--box=27.5,16,50,40", "turned.png")[0] == 0
    cut = Image.fromarray(pixels).resize(
        (WINDOW, WINDOW), Image.Resampling.BILINEAR, box=(20, 10, 85, 62)
    )
    np.testing.assert_array_equal(fake.seen[0][0], np.asarray(cut)[5:59, 5:59])


@pytest.mark.parametrize(
    "box", ["23,2,9,9", "-9,2,9,9", "2,17,1,1", "1e3,0,1,1"]
)  # the first three end or begin at the edge
def test_a_box_beside_a_picture_costs_a_line(fake, command, box):
    flat("small.png", 8)
    Image.new("RGB", (2000, 30), (9, 9, 9)).save("wide.png")
    code, out, err = command("predict", *READ, f"--box={box}", "small.png", "wide.png")
    assert code == 2
    assert (
        err.startswith("mtl predict: small.png: the box from ")
        and "outside the image of 23 x 17" in err.splitlines()[0]
    )
    assert "--box" in err.splitlines()[0]
    if not box.startswith("-"):
        assert files(out) == ["wide.png"] and err.count("\n") == 1


# -- how it is printed ----------------------------------------------------------------------------------------------------------------


def test_a_line_names_what_is_no_number():
    assert (
        predict._line({"file": "a b.png", "number": "210", "confidence": 0.98765})
        == "a b.png  210  0.988"
    )
    assert (
        predict._line({"file": "a.png", "number": "", "confidence": 1.0})
        == "a.png  no number  1.000"
    )
    assert (
        predict._line({"file": "a.png", "number": None, "confidence": 0.0})
        == "a.png  more than 5 digits  0.000"
    )
    assert predict._line({"file": "a.png", "number": "7", "confidence": None}) == "a.png  7  -"


def test_csv_and_json_say_the_same(fake, command):
    names = ["a, b.png", 'the "c".png', "0.png", "x.png"]
    for name, red in zip(names, (210, 37, 0, 255), strict=True):
        flat(name, red)
    code, out, err = command("predict", *READ, "--csv", *names, "missing.png")
    assert code == 2 and err.count("\n") == 1 and "\r" not in out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["file", "number", "confidence"]
    assert [(row["file"], row["number"]) for row in rows] == list(
        zip(names, ["210", "37", "", "X"], strict=True)
    )
    objects = [
        json.loads(line) for line in command("predict", *READ, "--json", *names)[1].splitlines()
    ]
    assert [float(row["confidence"]) for row in rows] == [one["confidence"] for one in objects]
    assert [one["number"] for one in objects] == ["210", "37", "", None]


def test_csv_of_nothing_is_the_header(fake, command):
    code, out, _ = command("predict", *READ, "--csv", "missing.png")
    assert (code, out) == (2, "file,number,confidence\n")


def test_the_sheet_shows_each_window_with_its_number(fake, command):
    names = ["a.png", "b.png", "c.png"]
    for name, red in zip(names, (210, 0, 255), strict=True):
        flat(name, red)
    code, out, err = command(
        "predict", *READ, "--sheet=s.png", "a.png", "missing.png", "b.png", "c.png"
    )
    assert code == 2 and files(out) == names and err.count("\n") == 1
    windows = np.stack([images.window(images.read(name)) for name in names])
    wanted = sheet.draw(
        windows, ["210\n0.656", "no number\n0.900", "> 5 digits\n0.531"]
    )  # powers of 0.9: 4, 1, 6
    np.testing.assert_array_equal(np.asarray(Image.open("s.png")), np.asarray(wanted))


def test_a_sheet_holds_so_many_and_says_how_many_are_left_out(fake, command, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    monkeypatch.setattr(predict, "SHEET", 3)
    for i in range(5):
        flat(f"{i}.png", i + 1)
    code, out, err = command("predict", *READ, "--sheet=s.jpg", ".")
    assert code == 0 and len(files(out)) == 5
    assert err == "s.jpg: the first 3 of 5 pictures; the other 2 are not on it\n"
    windows = np.stack([images.window(images.read(f"{i}.png")) for i in range(3)])
    assert Image.open("s.jpg").size == sheet.draw(windows, ["1\n0.810"] * 3).size


def test_a_sheet_of_nothing_is_not_drawn(fake, command, tmp_path):
    code, out, err = command("predict", *READ, "--sheet=s.png", "missing.png")
    assert (code, out) == (2, "")
    assert err.splitlines()[1] == "s.png: not drawn, as no picture could be read"
    assert list(tmp_path.iterdir()) == []
