"""The dataset svhn, in small folders of the same layout."""

import zlib

import numpy as np
import pytest
from PIL import Image

from mtl.data import images
from mtl.data.svhn import reader
from mtl.errors import DataError
from tests.svhn_files import write_struct

ENTRIES = [
    ("1.png", [(5, 6, 2, 20, 11)]),
    ("2.png", [(2, 3, 4, 9, 12), (1, 12, 5, 8, 12), (10, 21, 6, 9, 12)]),
    ("3.png", []),
    ("4.png", [(10, -2, -3, 50, 60)]),
    ("5.png", [(d, d, 1, 2, 9) for d in range(1, 8)]),
]
MANY = [(f"{i}.png", [(1 + i % 10, 1, 1, 9, 9)]) for i in range(1, 60)]
HELD_OUT = [entry for entry in MANY if zlib.crc32(entry[0].encode()) % 10 == 0]
BROKEN_LABEL = [(11, 0, 0, 5, 5)]  # an error if it is read


def make(directory, entries=ENTRIES, absent=(), damage=None):
    """Write a split with images of different sizes; return the path of its digitStruct.mat."""
    directory.mkdir(parents=True)
    write_struct(directory / "digitStruct.mat", entries, damage)
    for i, (name, _) in enumerate(entries):
        if name not in absent:
            pixels = np.random.default_rng(i).integers(0, 256, (17 + i, 41 - i % 7, 3), np.uint8)
            Image.fromarray(pixels).save(directory / name)
    return directory / "digitStruct.mat"


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def load(tmp_path, split="test", **options):
    """Return the Examples and the warnings."""
    lines = []
    return reader.load(str(tmp_path), split, warn=lines.append, **options), lines


def test_loads_numbers_windows_and_names(tmp_path):
    make(tmp_path / "test")
    got, lines = load(tmp_path)
    assert lines == []
    assert got.names == [name for name, _ in ENTRIES]
    assert got.numbers == ["5", "210", "", "0", "1234567"]
    assert got.inputs.shape == (5, 64, 64, 3)
    assert got.inputs.dtype == np.uint8
    # The digits of 2.png are in 3..30 by 4..18: grown by 0.15 of 27 and of 14 on each side.
    expected = {
        "1.png": (3, 0.35, 29, 14.65),
        "2.png": (3 - 4.05, 4 - 2.1, 30 + 4.05, 18 + 2.1),
        "3.png": None,
    }
    for name, box in expected.items():
        window = images.window(images.read(str(tmp_path / "test" / name)), box)
        np.testing.assert_array_equal(got.inputs[got.names.index(name)], window)


def test_count_loads_the_first(tmp_path):
    make(tmp_path / "extra")
    assert load(tmp_path, "extra", count=2)[0].names == ["1.png", "2.png"]


# -- skipped entries -----------------------------------------------------------------------------


def test_missing_images_are_counted_on_one_line(tmp_path, capsys):
    path = make(tmp_path / "test", absent=("1.png", "5.png"))
    got, lines = load(tmp_path)
    assert got.names == ["2.png", "3.png", "4.png"]
    assert lines == [f"{path}: skipped 2 of 5 images of test: no such file"]
    reader.load(str(tmp_path), "test")
    assert capsys.readouterr() == ("", lines[0] + "\n")


def test_boxes_of_missing_images_are_not_read(tmp_path):
    make(tmp_path / "test", [*ENTRIES, ("6.png", BROKEN_LABEL)], absent=("6.png",))
    assert len(load(tmp_path)[0].names) == 5


def test_repeated_names_use_the_first_entry(tmp_path):
    again = [("2.png", [(7, 1, 1, 5, 9)]), ("1.png", BROKEN_LABEL), ("2.png", [])]
    path = make(tmp_path / "test", [*ENTRIES[:2], *again, *ENTRIES[2:]], absent=("4.png",))
    got, lines = load(tmp_path)
    assert got.names == ["1.png", "2.png", "3.png", "5.png"]
    assert got.numbers == ["5", "210", "", "1234567"]
    assert lines == [
        f"{path}: skipped 1 of 5 images of test: no such file",
        f"{path}: skipped 3 entries of test: name used before",
    ]


def test_repeated_names_are_counted_in_their_own_split(tmp_path):
    make(tmp_path / "train", [*MANY, *HELD_OUT[:2]])
    got, lines = load(tmp_path, "train")
    assert len(got.names) == len(MANY) - len(HELD_OUT)
    assert lines == []
    got, lines = load(tmp_path, "validation")
    assert got.names == [name for name, _ in HELD_OUT]
    assert len(lines) == 1 and "skipped 2 entries of validation" in lines[0]


# -- splits --------------------------------------------------------------------------------------


def test_validation_is_a_tenth_of_train_by_name(tmp_path):
    make(tmp_path / "train", MANY)
    held_out = [name for name, _ in HELD_OUT]
    assert 0 < len(held_out) < 20
    assert load(tmp_path, "validation")[0].names == held_out
    train = load(tmp_path, "train")[0].names
    assert train == [name for name, _ in MANY if name not in held_out]


def test_folder_validation_replaces_the_held_out_part(tmp_path):
    make(tmp_path / "train", MANY)
    make(tmp_path / "validation")
    assert len(load(tmp_path, "train")[0].names) == len(MANY)
    assert len(load(tmp_path, "validation")[0].names) == 5


# -- errors --------------------------------------------------------------------------------------


def test_no_image_for_validation(tmp_path):
    make(tmp_path / "train", ENTRIES[:1])
    message = error_of(reader.load, str(tmp_path), "validation")
    assert "no images of the split validation" in message


def test_all_images_missing(tmp_path):
    make(tmp_path / "test", absent=[name for name, _ in ENTRIES])
    assert "all 5 images of the split test are missing" in error_of(load, tmp_path)


def test_missing_split_lists_those_found(tmp_path):
    make(tmp_path / "extra")
    assert "found extra" in error_of(load, tmp_path)
    assert "nowhere" in error_of(load, tmp_path / "nowhere")
    (tmp_path / "test").mkdir()
    assert "digitStruct.mat: no such file" in error_of(load, tmp_path)


@pytest.mark.parametrize(
    "box, reason",
    [
        ((1, 500, 1, 9, 9), "lies outside the image"),
        ((1, 5, 1, 0, 9), "has no width; correct its boxes"),
    ],
)
def test_unusable_box_is_named(tmp_path, box, reason):
    make(tmp_path / "test", [("1.png", [box])])
    message = error_of(load, tmp_path)
    assert "digitStruct.mat: entry 1.png: the box from " in message
    assert reason in message


def test_broken_image_is_named(tmp_path):
    make(tmp_path / "test")
    (tmp_path / "test" / "4.png").write_bytes(b"\x89PNG")
    assert "4.png" in error_of(load, tmp_path)
