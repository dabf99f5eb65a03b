import os
import zlib

import pytest

from mtl.data import examples
from mtl.errors import DataError


def test_every_tenth_name_is_held_out_by_its_crc32():
    names = [f"{i}.png" for i in range(1, 3001)]
    held = [name for name in names if examples.held_out(name)]
    assert held == [name for name in names if zlib.crc32(name.encode()) % 10 == 0]
    assert 240 < len(held) < 360  # 300 expected, standard deviation 16


def test_another_seed_holds_out_others():
    names = [f"{i}.png" for i in range(1, 3001)]
    first, second = ({name for name in names if examples.held_out(name, seed)} for seed in (0, 7))
    assert second == {name for name in names if zlib.crc32(name.encode(), 7) % 10 == 0}
    assert first == {name for name in names if examples.held_out(name)}
    assert (
        240 < len(second) < 360 and len(first & second) < 60
    )  # 30 expected of two independent choices


def test_without_a_validation_split_train_is_parted_in_two(tmp_path):
    os.makedirs(tmp_path / "train")
    where, belongs = examples.find_split(str(tmp_path), "train")
    held_where, held = examples.find_split(str(tmp_path), "validation")
    assert where == held_where == str(tmp_path / "train")
    names = [f"{i}.png" for i in range(200)]
    assert all(belongs(name) != held(name) for name in names)
    assert {examples.held_out(name) for name in names if held(name)} == {True}


def test_a_validation_split_of_its_own_leaves_train_whole(tmp_path):
    for split in ("train", "validation"):
        os.makedirs(tmp_path / split)
    for split in ("train", "validation"):
        where, belongs = examples.find_split(str(tmp_path), split)
        assert where == str(tmp_path / split)
        assert all(belongs(f"{i}.png") for i in range(50))


def test_files_instead_of_folders(tmp_path):
    (tmp_path / "test.npz").write_bytes(b"")
    assert examples.find_split(str(tmp_path), "test", ".npz")[0] == str(tmp_path / "test.npz")


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_missing_split_is_named_with_those_there_are(tmp_path, split):
    os.makedirs(tmp_path / "extra")
    with pytest.raises(DataError, match="no split .* found extra"):
        examples.find_split(str(tmp_path), split)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="gone"):
        examples.find_split(str(tmp_path / "gone"), "train")


def test_of_many_names_a_few_are_shown():
    assert examples.first_names([]) == "none"
    assert examples.first_names(["a", "b"]) == "a, b"
    assert examples.first_names([str(i) for i in range(99)]) == "0, 1, 2, 3, 4, 5, 6, 7, ..."


def test_room_for_more_than_there_is_names_what_asks_for_it():
    assert examples.empty_windows(3, "train").shape == (3, 64, 64, 3)
    for count in (2**40, 2**60):
        with pytest.raises(
            DataError,
            match=f"^train: {count} images of 64 x 64 pixels do not fit into memory",
        ):
            examples.empty_windows(count, "train")


def test_a_name_that_is_no_text_is_held_out_or_not_like_others():
    assert {examples.held_out(f"{number}\udce9.png") for number in range(40)} == {True, False}
