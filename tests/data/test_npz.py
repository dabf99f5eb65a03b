"""Examples in .npz files."""

import zipfile
import zlib

import numpy as np
import pytest

from mtl.data import npz
from mtl.data.examples import of_numbers
from mtl.errors import DataError


def some(n, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), np.uint8)
    numbers = ["", "007", "1234567", "5", *(str(i) for i in range(4, n))]
    return of_numbers(images, numbers[:n], [f"é{i}.png" for i in range(n)])


def error_of(tmp_path, split="test"):
    with pytest.raises(DataError) as caught:
        npz.load(str(tmp_path), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_loads_what_was_saved(tmp_path):
    npz.save(str(tmp_path / "test.npz"), some(5))
    got = npz.load(str(tmp_path), "test")
    np.testing.assert_array_equal(got.inputs, some(5).inputs)
    assert got.inputs.dtype == np.uint8
    assert (got.numbers, got.names) == (some(5).numbers, some(5).names)
    assert all(type(text) is str for text in got.numbers + got.names)
    assert npz.load(str(tmp_path), "test", count=3).names == some(5).names[:3]
    assert [path.name for path in tmp_path.iterdir()] == ["test.npz"]


def test_names_are_optional(tmp_path):
    np.savez(tmp_path / "test.npz", images=some(3).inputs, numbers=np.array(["", "1", "02"]))
    got = npz.load(str(tmp_path), "test")
    assert (got.numbers, got.names) == (["", "1", "02"], ["0", "1", "2"])


def test_validation_is_the_held_out_part_of_train(tmp_path):
    npz.save(str(tmp_path / "train.npz"), some(40))
    train, validation = (npz.load(str(tmp_path), split) for split in ("train", "validation"))
    held_out = [name for name in some(40).names if zlib.crc32(name.encode()) % 10 == 0]
    assert held_out and validation.names == held_out
    assert sorted(train.names + validation.names) == sorted(some(40).names)
    indices = [some(40).names.index(name) for name in held_out]
    np.testing.assert_array_equal(validation.inputs, some(40).inputs[indices])
    npz.save(str(tmp_path / "validation.npz"), some(2))
    assert len(npz.load(str(tmp_path), "train").names) == 40
    assert len(npz.load(str(tmp_path), "validation").names) == 2


NO_IMAGES = np.zeros((0, 64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"images": np.zeros((3, 54, 54, 3), np.uint8)}, "images are uint8 [3, 54, 54, 3]"),
        ({"images": np.zeros((3, 64, 64, 3), np.float32)}, "images are float32"),
        ({"images": np.uint8(3)}, "cannot be read"),
        ({"images": NO_IMAGES, "numbers": np.array([], str)}, "no examples in the split"),
        ({"numbers": np.array([1, 2, 3])}, "numbers are int64 [3], not 3 strings"),
        ({"numbers": np.array(["1", "2"])}, "numbers are <U1 [2], not 3 strings"),
        ({"numbers": np.array(["1", "x", "3"])}, "example 1: a number consists"),
        ({"numbers": np.array(["1", None, "3"])}, "cannot be read"),
        ({"names": np.array([b"1", b"2", b"3"])}, "names are |S1"),
    ],
)
def test_rejects_other_arrays(tmp_path, changes, reason):
    arrays = {"images": some(3).inputs, "numbers": np.array(["1", "2", "3"]), **changes}
    np.savez(tmp_path / "test.npz", **arrays)
    message = error_of(tmp_path)
    assert "test.npz" in message and reason in message


def test_missing_arrays_and_broken_files_are_errors(tmp_path):
    assert "found none" in error_of(tmp_path)
    np.savez(tmp_path / "test.npz", images=some(1).inputs)
    assert "numbers" in error_of(tmp_path)
    (tmp_path / "test.npz").write_bytes(b"")
    assert "not an .npz file" in error_of(tmp_path)
    with open(tmp_path / "test.npz", "wb") as file:
        np.save(file, some(1).inputs)
    assert "not an .npz file" in error_of(tmp_path)
    npz.save(str(tmp_path / "test.npz"), some(3))
    whole = bytearray((tmp_path / "test.npz").read_bytes())
    whole[5000:5100] = bytes(100)
    (tmp_path / "test.npz").write_bytes(whole)
    assert "CRC" in error_of(tmp_path)
    (tmp_path / "test.npz").write_bytes(whole[:9000])
    assert "truncated" in error_of(tmp_path)


def test_failed_save_leaves_no_file(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk full"):
        npz.save(str(tmp_path / "test.npz"), some(1))
    assert list(tmp_path.iterdir()) == []


IMAGES = some(3).inputs


@pytest.mark.parametrize("images", [IMAGES / 255.0, IMAGES[:, :54], IMAGES[0], list(IMAGES), None])
def test_save_rejects_images_that_read_would_reject(tmp_path, images):
    with pytest.raises(ValueError, match=r"^images must be uint8 \[n, 64, 64, 3\] .*, got "):
        npz.save(str(tmp_path / "test.npz"), some(3)._replace(images=images))
    assert list(tmp_path.iterdir()) == []


def test_rejects_an_array_that_is_stored_twice(tmp_path):
    npz.save(str(tmp_path / "test.npz"), some(3))
    with zipfile.ZipFile(tmp_path / "test.npz", "a") as archive:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("numbers.npy", archive.read("names.npy"))
    assert "an array is stored twice" in error_of(tmp_path)
