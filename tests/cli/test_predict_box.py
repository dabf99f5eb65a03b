"""--box of `mtl predict`: the window that a dataset would cut out around this box."""

import h5py
import numpy as np
import pytest
from PIL import Image

from mtl.data import batches
from mtl.data.svhn import reader
from mtl.inputs import NUMBERS

RUN = "--model_dir=run"
CROP, WINDOW = NUMBERS.crop, NUMBERS.shape[0]


@pytest.fixture
def fake(network, monkeypatch, tmp_path):
    """Return the fake network, and go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return network


@pytest.mark.parametrize("box", ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "1 2 3 4", "1,2,,4"])
def test_box_must_be_four_numbers(refused, box):
    line = refused(1, "predict", RUN, f"--box={box}", "a.png")
    assert f"--box={box} must be four numbers" in line


@pytest.mark.parametrize("box", ["1,2,0,4", "1,2,3,-4", "nan,2,3,4", "1,2,nan,4", "1,inf,3,4"])
def test_box_must_be_finite_with_a_size(refused, box):
    assert f"--box={box} must be finite" in refused(1, "predict", RUN, f"--box={box}", "a.png")


@pytest.mark.parametrize("box", [(3, 4, 21.5, 11), (-5, 10, 30, 60), (0.25, 0.5, 7, 33)])
def test_box_gives_the_window_of_the_dataset(fake, command, tmp_path, box):
    (tmp_path / "test").mkdir()
    pixels = np.random.default_rng(5).integers(0, 256, (37, 53, 3), np.uint8)
    Image.fromarray(pixels).save("test/1.png")
    # With one digit, digitStruct.mat holds its values directly instead of references.
    with h5py.File("test/digitStruct.mat", "w") as file:
        file["digitStruct/name"] = np.array([[ord(letter)] for letter in "1.png"], np.uint16)
        fields = ("label", "left", "top", "width", "height")
        for field, value in zip(fields, (4, *box), strict=True):
            file[f"digitStruct/bbox/{field}"] = np.array([[value]], np.float64)
    code, _, err = command("predict", RUN, f"--box={','.join(map(str, box))}", "test/1.png")
    assert (code, err) == (0, "")
    expected = batches.centre_crop(reader.load(str(tmp_path), "test").inputs, CROP)
    np.testing.assert_array_equal(fake.seen[0], expected)


def test_box_refers_to_the_upright_image(fake, command):
    pixels = np.random.default_rng(6).integers(0, 256, (80, 120, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels, 1))).save("turned.png", exif=exif)
    # 1.3 times 50 x 40 is 65 x 52, so each corner moves outwards by 7.5 and 6.
    assert command("predict", RUN, "--box=27.5,16,50,40", "turned.png")[0] == 0
    bilinear = Image.Resampling.BILINEAR
    cut = Image.fromarray(pixels).resize((WINDOW, WINDOW), bilinear, box=(20, 10, 85, 62))
    np.testing.assert_array_equal(fake.seen[0][0], np.asarray(cut)[5:59, 5:59])


# The first three touch the edge of the image from outside.
@pytest.mark.parametrize("box", ["23,2,9,9", "-9,2,9,9", "2,17,1,1", "1e3,0,1,1"])
def test_box_outside_an_image_costs_one_line(fake, command, box):
    Image.new("RGB", (23, 17), (8, 80, 90)).save("small.png")
    Image.new("RGB", (2000, 30), (9, 9, 9)).save("wide.png")
    code, out, err = command("predict", RUN, f"--box={box}", "small.png", "wide.png")
    assert code == 2
    first, *others = err.splitlines()
    assert first.startswith("mtl predict: small.png: ") and "23 x 17" in first and "--box" in first
    if not box.startswith("-"):
        assert [line.split("  ")[0] for line in out.splitlines()] == ["wide.png"]
        assert not others
