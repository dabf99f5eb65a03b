"""Splits of a dataset, and helpers of its readers."""

import os
import zlib

import numpy as np
import pytest

from mtl import tasks
from mtl.data import examples
from mtl.errors import DataError
from mtl.inputs import NUMBERS, Inputs

NAMES = [f"{i}.png" for i in range(1, 3001)]


def held_out_numbers(count):
    """Return the names of validation in a dataset whose examples are named "0", "1", ..."""
    return [str(i) for i in range(count) if zlib.crc32(str(i).encode()) % 10 == 0]


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
    inputs = Inputs((9, 8, 1), 0, "float32")
    assert examples.empty_windows(3, "train", inputs).shape == (3, 9, 8, 1)
    assert examples.empty_windows(3, "train", inputs).dtype == np.float32
    for count in (2**40, 2**60):
        what = f"^train: {count} images of 64 x 64 pixels do not fit into memory; use fewer"
        with pytest.raises(DataError, match=what):
            examples.empty_windows(count, "train")


def test_numbers_become_the_labels_of_the_six_tasks():
    made = examples.of_numbers(np.zeros((2, 8, 8, 3), np.uint8), ["12", ""], ("a", "b"))
    assert list(made.labels) == [task.name for task in tasks.NUMBER_TASKS]
    assert made.labels["length"].tolist() == [2, 0] and made.labels["digit2"].tolist() == [2, 10]
    assert (made.numbers, made.names) == (["12", ""], ["a", "b"])
    assert examples.numbers_inputs() == NUMBERS
    assert examples.numbers_inputs(32, 0).network_shape == (32, 32, 3)


def test_selects_examples_in_order():
    images = np.arange(3 * 64).reshape(3, 8, 8, 1).astype(np.uint8)
    made = examples.select(examples.of_numbers(images, ["1", "2", "3"], list("abc")), [2, 0])
    assert (made.names, made.numbers) == (["c", "a"], ["3", "1"])
    assert made.labels["digit1"].tolist() == [3, 1]
    np.testing.assert_array_equal(made.inputs, images[[2, 0]])
    features = examples.Examples(images[:, 0, :, 0], {}, list("abc"), columns=list("abcdefgh"))
    assert examples.select(features, [1]).columns == list("abcdefgh")
