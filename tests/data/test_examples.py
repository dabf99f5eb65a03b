"""Splits of a dataset, and helpers of its readers."""

import os
import zlib

import pytest

from mtl.data import examples
from mtl.errors import DataError

NAMES = [f"{i}.png" for i in range(1, 3001)]


def test_holds_out_one_name_in_ten_by_crc32():
    held = [name for name in NAMES if examples.held_out(name)]
    assert held == [name for name in NAMES if zlib.crc32(name.encode()) % 10 == 0]
    assert 240 < len(held) < 360  # 300 expected, standard deviation 16


def test_another_seed_holds_out_other_names():
    first, second = ({name for name in NAMES if examples.held_out(name, seed)} for seed in (0, 7))
    assert second == {name for name in NAMES if zlib.crc32(name.encode(), 7) % 10 == 0}
    assert first == {name for name in NAMES if examples.held_out(name)}
    assert 240 < len(second) < 360
    assert len(first & second) < 60  # 30 expected of two independent choices


def test_name_of_invalid_unicode_can_be_held_out():
    assert {examples.held_out(f"{number}\udce9.png") for number in range(40)} == {True, False}


def test_validation_is_a_part_of_train_if_it_has_no_folder(tmp_path):
    os.makedirs(tmp_path / "train")
    path, belongs = examples.find_split(str(tmp_path), "train")
    validation_path, in_validation = examples.find_split(str(tmp_path), "validation")
    assert path == validation_path == str(tmp_path / "train")
    names = NAMES[:200]
    assert all(belongs(name) != in_validation(name) for name in names)
    assert all(examples.held_out(name) for name in names if in_validation(name))


def test_train_is_whole_if_validation_has_a_folder(tmp_path):
    for split in ("train", "validation"):
        os.makedirs(tmp_path / split)
    for split in ("train", "validation"):
        path, belongs = examples.find_split(str(tmp_path), split)
        assert path == str(tmp_path / split)
        assert all(belongs(name) for name in NAMES[:50])


def test_splits_may_be_files(tmp_path):
    (tmp_path / "test.npz").write_bytes(b"")
    assert examples.find_split(str(tmp_path), "test", ".npz")[0] == str(tmp_path / "test.npz")


@pytest.mark.parametrize("split", ["test", "validation"])
def test_missing_split_lists_the_existing_ones(tmp_path, split):
    os.makedirs(tmp_path / "extra")
    with pytest.raises(DataError, match="no split .* found extra"):
        examples.find_split(str(tmp_path), split)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="gone"):
        examples.find_split(str(tmp_path / "gone"), "train")


def test_first_names_shows_at_most_eight():
    assert examples.first_names([]) == "none"
    assert examples.first_names(["a", "b"]) == "a, b"
    numbers = [str(i) for i in range(99)]
    assert examples.first_names(numbers) == "0, 1, 2, 3, 4, 5, 6, 7, ..."


def test_windows_that_do_not_fit_into_memory_are_an_error():
    assert examples.empty_windows(3, "train").shape == (3, 64, 64, 3)
    for count in (2**40, 2**60):
        what = f"^train: {count} images of 64 x 64 pixels do not fit into memory"
        with pytest.raises(DataError, match=what):
            examples.empty_windows(count, "train")
