"""Examples of own tasks as records: written, loaded, and streamed for training."""

import functools
import itertools
import os

import numpy as np
import pytest

from mtl import config, tasks
from mtl.data import npz, registry
from mtl.data.examples import Examples, of_numbers
from mtl.data.records import format as records, manifest, write
from mtl.errors import DataError, NoExamplesError, UsageError
from tests import record_sets
from tests.data.records.broken import frames

pytestmark = pytest.mark.slow

TEXT = "kind:3,size:real"
TASKS = tasks.parse(TEXT)


def some(count, first=0, channels=1):
    """Return examples whose first pixel is their index; some labels are missing."""
    images = np.random.default_rng(count).integers(0, 256, (count, 9, 11, channels), np.uint8)
    indices = np.arange(first, first + count)
    images[:, 0, 0, 0] = indices
    size = np.where(indices % 4, indices / 7, np.nan).astype(np.float32)
    labels = {"kind": (indices % 4 - 1).astype(np.int32), "size": size}
    return Examples(images, labels, [f"{i}.png" for i in indices])


def written(out, splits, text=TEXT, **options):
    """Write splits, dict name -> Examples or None; return the manifest."""

    def load(split):
        if splits[split] is None:
            raise NoExamplesError("none")
        return splits[split]

    options = {"seed": 3, "shard_size": 7, "source": "there", **options}
    return write.write(str(out), load, list(splits), tasks.parse(text), **options)


def test_records_have_the_examples_in_a_shuffled_order(tmp_path):
    train, validation = some(23), some(5, 50)
    written(tmp_path, {"train": train, "validation": validation})
    for split, whole in (("train", train), ("validation", validation)):
        got = registry.load("records", str(tmp_path), split, tasks=TASKS)
        order = [whole.names.index(name) for name in got.names]
        assert sorted(order) == list(range(len(whole.names))) != order
        np.testing.assert_array_equal(got.inputs, whole.inputs[order])
        for name, labels in whole.labels.items():
            assert got.labels[name].dtype == labels.dtype
            np.testing.assert_array_equal(got.labels[name], labels[order])
    assert len([name for name in os.listdir(tmp_path) if name.startswith("train")]) == 4
    few = registry.load("records", str(tmp_path), "train", tasks=TASKS[1:], count=4)
    assert list(few.labels) == ["size"] and len(few.names) == 4


def test_training_needs_no_pass_over_the_records(tmp_path):
    train = some(23, channels=3)
    written(tmp_path, {"train": train, "validation": None})
    npz.save(str(tmp_path / "train.npz"), train)
    npz.save(str(tmp_path / "validation.npz"), some(3, channels=3))
    fields = {"data_dir": str(tmp_path), "tasks": TEXT, "batch_size": 4, "workers": 1}
    in_memory = registry.opened(config.Config(dataset="npz", **fields))
    streamed = registry.opened(config.Config(dataset="records", **fields))
    assert (streamed.tasks, streamed.inputs) == (in_memory.tasks, in_memory.inputs)


@pytest.mark.parametrize("channels", [1, 3])
def test_streams_every_example_once_an_epoch_and_continues(tmp_path, channels):
    train = some(12, channels=channels)
    written(tmp_path, {"train": train}, shard_size=5)
    fields = {"data_dir": str(tmp_path), "tasks": TEXT, "batch_size": 4, "workers": 2}
    source = registry.opened(config.Config(dataset="records", **fields)).source
    stream = source(0)
    whole = list(itertools.islice(stream, 6))
    stream.close()
    for epoch in (whole[:3], whole[3:]):
        assert sorted(image[0, 0, 0] for images, _ in epoch for image in images) == list(range(12))
    for images, labels in whole:
        indices = images[:, 0, 0, 0]
        np.testing.assert_array_equal(images, train.inputs[indices])
        for name, values in train.labels.items():
            assert labels[name].dtype == values.dtype
            np.testing.assert_array_equal(labels[name], values[indices])
    stream = source(4)
    for images, labels in whole[4:]:
        again, labels_again = next(stream)
        np.testing.assert_array_equal(again, images)
        np.testing.assert_array_equal(labels_again["kind"], labels["kind"])
    stream.close()


def test_crop_and_augmentation_apply_to_own_records(tmp_path):
    written(tmp_path, {"train": some(12)})
    fields = {"dataset": "records", "data_dir": str(tmp_path), "tasks": TEXT, "batch_size": 4}
    made = registry.opened(config.Config(crop=8, augment=0.5, **fields))
    assert made.inputs.network_shape == (8, 8, 1)
    stream = made.source(0)
    assert next(stream)[0].shape == (4, 8, 8, 1)
    stream.close()
    with pytest.raises(UsageError, match="--window=16, but the records have 9 x 11 pixels; remove"):
        registry.opened(config.Config(window=16, **fields))


def test_numbers_can_be_written_too(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    whole = of_numbers(images, ["12", "", "0345678"], ["a", "b", "c"])
    written(tmp_path, {"train": whole}, "numbers")
    got = registry.load("records", str(tmp_path), "train")
    order = [whole.names.index(name) for name in got.names]
    assert got.numbers == [whole.numbers[i] for i in order]
    np.testing.assert_array_equal(got.inputs, images[order])


@pytest.mark.parametrize(
    "train, reason",
    [
        (some(9)._replace(inputs=np.ones((9, 4), np.float32)), "records hold images, not features"),
        (some(9)._replace(inputs=np.ones((9, 8, 8, 1), np.float32)), "uint8 images, not float32; "),
        (
            some(9)._replace(labels={**some(9).labels, "kind": np.full(9, -1, np.int32)}),
            "no example of train has a label of the task kind",
        ),
    ],
)
def test_examples_that_cannot_be_records_are_refused(tmp_path, train, reason):
    with pytest.raises(DataError, match=f"^there: .*{reason}"):
        written(tmp_path / "out", {"train": train})
    assert not (tmp_path / "out").exists()


def test_splits_must_have_images_of_one_size(tmp_path):
    larger = some(3)._replace(inputs=np.zeros((3, 9, 12, 1), np.uint8))
    what = r"a split has images of \[9, 12, 1\], but train of \[9, 11, 1\]; add --window"
    with pytest.raises(DataError, match=what):
        written(tmp_path, {"train": some(9), "test": larger})


def test_existing_records_are_not_overwritten(tmp_path):
    written(tmp_path, {"train": some(9)})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match="has records already; choose another --out"):
        written(tmp_path, {"train": some(5)})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


WRONG = {
    "kind": (np.int32(3), "label of task kind must be 0 to 2, got 3"),
    "two": (np.array([1, 2], np.int32), "2 values of label/kind, instead of 1"),
    "float": (np.float32(1), "0 values of label/kind, instead of 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_broken_label_is_named_with_its_record(tmp_path, name):
    label, reason = WRONG[name]
    made = written(tmp_path, {"train": some(3)}, "kind:3")
    path = tmp_path / made["splits"]["train"]["shards"][0]["file"]
    good = [records.parse(each, TASKS[:1]) for each in frames(path)]
    broken = [good[0], good[1]._replace(labels={"kind": label}), good[2]]
    record_sets.write_frames(path, [records.serialize(each) for each in broken])
    made["splits"]["train"]["shards"] = [record_sets.shard_entry(path, 3)]
    manifest.write_manifest(str(tmp_path), made)
    fields = {"dataset": "records", "data_dir": str(tmp_path), "tasks": "kind:3", "batch_size": 3}
    calls = (
        functools.partial(registry.load, "records", str(tmp_path), "train", tasks=TASKS[:1]),
        lambda: next(registry.opened(config.Config(**fields)).source(0)),
    )
    for call in calls:
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value).startswith(f"{path}: record 1: {reason}")
