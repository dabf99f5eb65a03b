"""Examples in .npz files."""

import zipfile
import zlib

import numpy as np
import pytest

from mtl import tasks
from mtl.data import adapt, npz
from mtl.data.examples import of_numbers
from mtl.errors import DataError
from mtl.inputs import NUMBERS, Inputs


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
        ({"images": np.zeros((3, 54, 54, 2), np.uint8)}, "images are uint8 [3, 54, 54, 2]"),
        ({"images": np.full((3, 64, 64, 3), 1.5)}, "images, example 0: the pixel 1.5 is not in"),
        ({"images": np.uint8(3)}, "images are uint8 []"),
        ({"images": None}, "store numbers or text, not Python objects"),
        ({"images": NO_IMAGES, "numbers": np.array([], str)}, "no examples in the split"),
        ({"numbers": np.array([1, 2, 3])}, "numbers are int64 [3], not 3 strings"),
        ({"numbers": np.array(["1", "2"])}, "numbers are <U1 [2], not 3 strings"),
        ({"numbers": np.array(["1", "x", "3"])}, "example 1: a number consists"),
        ({"numbers": np.array(["1", None, "3"])}, "store numbers or text, not Python objects"),
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
    assert "no array 'numbers', found images; add the array; other" in error_of(tmp_path)
    np.savez(tmp_path / "test.npz", numbers=np.array(["1"]))
    assert "no array 'images', found numbers; add the array" in error_of(tmp_path)
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


@pytest.mark.parametrize("images", [IMAGES / 1.0, IMAGES[0], IMAGES.astype(int)])
def test_save_rejects_images_that_read_would_reject(tmp_path, images):
    with pytest.raises(DataError, match=r"test.npz: images.* (are|example 0)"):
        npz.save(str(tmp_path / "test.npz"), some(3)._replace(inputs=images))
    assert list(tmp_path.iterdir()) == []


def test_rejects_an_array_that_is_stored_twice(tmp_path):
    npz.save(str(tmp_path / "test.npz"), some(3))
    with zipfile.ZipFile(tmp_path / "test.npz", "a") as archive:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("numbers.npy", archive.read("names.npy"))
    assert "an array is stored twice" in error_of(tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_numbers_of_another_size_and_type_are_converted(tmp_path, dtype):
    images = some(3).inputs[:, :20, :30, :1]
    stored = images if dtype == np.uint8 else images / np.float32(255)
    np.savez(tmp_path / "test.npz", images=stored, numbers=np.array(["", "1", "02"]))
    got = npz.load(str(tmp_path), "test")
    wanted = adapt.adapted(images, NUMBERS)
    assert got.inputs.dtype == np.uint8
    np.testing.assert_allclose(got.inputs.astype(int), wanted, atol=dtype != np.uint8)
    assert npz.load(str(tmp_path), "test", window=70).inputs.shape == (3, 70, 70, 3)


# -- own tasks -------------------------------------------------------------------------------------

TASKS = tasks.parse("kind:3,size:real")
LABELS = {"kind": np.array([2, -1, 0, 1, 1]), "size": np.array([1.5, np.nan, 3.0, 4.0, 5.0])}
GREY = np.random.default_rng(6).integers(0, 256, (5, 9, 11), np.uint8)


def load(tmp_path, arrays, **options):
    np.savez(tmp_path / "test.npz", **arrays)
    return npz.load(str(tmp_path), "test", tasks=TASKS, **options)


def test_reads_images_with_a_label_for_each_task(tmp_path):
    got = load(tmp_path, {"images": GREY, **LABELS, "other": np.array([None])})
    np.testing.assert_array_equal(got.inputs, GREY[..., None])
    assert list(got.labels) == ["kind", "size"]
    assert got.labels["kind"].dtype == np.int32 and got.labels["size"].dtype == np.float32
    np.testing.assert_array_equal(got.labels["kind"], LABELS["kind"])
    np.testing.assert_array_equal(got.labels["size"], LABELS["size"])
    assert (got.names, len(got.numbers)) == (["0", "1", "2", "3", "4"], 0)
    few = load(tmp_path, {"images": GREY, **LABELS}, count=2)
    assert len(few.inputs) == len(few.labels["kind"]) == len(few.names) == 2


def test_reads_features(tmp_path):
    features = np.random.default_rng(7).normal(size=(5, 4))
    got = load(tmp_path, {"features": features, **LABELS})
    assert got.inputs.dtype == np.float32
    np.testing.assert_array_equal(got.inputs, features.astype(np.float32))


def test_own_tasks_are_saved_and_loaded(tmp_path):
    made = load(tmp_path, {"images": GREY, **LABELS})
    npz.save(str(tmp_path / "again.npz"), made)
    got = npz.load(str(tmp_path), "again", tasks=TASKS)
    np.testing.assert_array_equal(got.inputs, made.inputs)
    np.testing.assert_array_equal(got.labels["size"], made.labels["size"])
    assert got.names == made.names


def test_images_are_resized_to_the_window_or_to_the_inputs_of_a_run(tmp_path):
    arrays = {"images": GREY, **LABELS}
    assert load(tmp_path, arrays, window=16).inputs.shape == (5, 16, 16, 1)
    inputs = Inputs((12, 10, 3), 8, "float32")
    got = load(tmp_path, arrays, inputs=inputs).inputs
    np.testing.assert_array_equal(got, adapt.adapted(GREY[..., None], inputs))


def test_labels_may_be_missing_for_predictions(tmp_path):
    got = load(tmp_path, {"images": GREY, "kind": LABELS["kind"]}, unlabelled=True)
    assert got.labels["kind"][0] == 2 and np.isnan(got.labels["size"]).all()


WITHOUT = {"images": GREY, "kind": LABELS["kind"]}


@pytest.mark.parametrize(
    "arrays, reason",
    [
        (WITHOUT, "no array 'size', found images, kind; add it, or give the array and the"),
        (
            {**WITHOUT, "Sizes": LABELS["size"]},
            "found images, kind, Sizes; did you mean Sizes? add",
        ),
        (
            {**WITHOUT, "size": LABELS["size"][1:]},
            "array size has the shape [4], not [5]; give one",
        ),
        ({**WITHOUT, "size": LABELS["kind"] > 0}, "array size must be floats, got bool"),
        ({**WITHOUT, "size": np.array([1.0, None, 2, 3, 4])}, "store numbers or text, not Python"),
        (
            {"images": GREY, **LABELS, "kind": LABELS["kind"] + 1},
            "array kind, example 0: must be 0",
        ),
        ({"images": GREY, "features": np.zeros((5, 2)), **LABELS}, "has both images and features"),
        (LABELS, "no array 'images', found kind, size; add the array"),
        ({"images": GREY, **LABELS, "names": np.arange(5)}, "names are int64 [5], not 5 strings"),
    ],
)
def test_fault_in_an_own_dataset_is_one_line(tmp_path, arrays, reason):
    with pytest.raises(DataError) as caught:
        load(tmp_path, arrays)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'test.npz'}: ") and "\n" not in message
    assert reason in message


def test_task_with_the_name_of_the_inputs_is_an_error(tmp_path):
    np.savez(tmp_path / "test.npz", images=GREY, names=np.arange(5))
    with pytest.raises(DataError, match="task names has the name of an array .*; rename the task"):
        npz.load(str(tmp_path), "test", tasks=tasks.parse("names:5"))
