"""mtl.data.registry: datasets by name, and the training source of a run."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mtl import config, tasks
from mtl.data import augment, batches, npz, pool, registry
from mtl.data.drawn import synthetic
from mtl.data.examples import of_numbers
from mtl.data.records import reader as records_reader
from mtl.errors import DataError
from tests import record_sets
from tests.data.numbered import Blocks, Windows, assert_same, in_memory, numbered, take

# -- load ------------------------------------------------------------------------------------------


def test_loads_each_dataset_by_its_name(tmp_path):
    image = np.full((64, 64, 3), 7, np.uint8)
    npz.save(str(tmp_path / "test.npz"), of_numbers(image[None], ["12"], ["a"]))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "labels.csv").write_text("file,label\nb.png,34\nc.png,5\n")
    for name in ("b.png", "c.png"):
        Image.fromarray(image).save(tmp_path / "test" / name)
    assert registry.load("npz", str(tmp_path), "test").numbers == ["12"]
    assert registry.load("folder", str(tmp_path), "test").numbers == ["34", "5"]
    assert registry.load("folder", str(tmp_path), "test", count=1).numbers == ["34"]
    record_sets.write(tmp_path, test=[record_sets.some(["7", "", "89"])])
    assert registry.load("records", str(tmp_path), "test", count=2).numbers == ["7", ""]
    with pytest.raises(DataError, match=r"digitStruct\.mat: no such file"):
        registry.load("svhn", str(tmp_path), "test")


def test_every_dataset_has_the_functions_of_the_registry():
    assert sorted(registry.MODULES) == sorted(config.DATASETS)
    for name in config.DATASETS:
        assert callable(registry.module(name).load)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(DataError, match="'mnist'; choose one of folder, npz, records, svhn"):
        registry.load("mnist", "", "test")
    with pytest.raises(DataError, match="extra.*train, validation, test"):
        registry.load("synthetic", "", "extra", count=1)
    with pytest.raises(DataError, match="--data_dir"):
        registry.load("svhn", "", "test")


def test_synthetic_needs_a_count():
    assert len(registry.load("synthetic", "", "test", count=2, workers=1).numbers) == 2
    with pytest.raises(ValueError, match="count"):
        registry.load("synthetic", "", "test")


def test_importing_the_registry_imports_no_dataset():
    heavy = "('h5py', 'PIL', 'tensorflow')"
    code = f"import sys, mtl.data.registry; print([m for m in {heavy} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


# -- source ----------------------------------------------------------------------------------------


def changed_or_cropped(images, step, seed, strength):
    """Return the crops that a source makes of the images of a step, in their order."""
    rng = batches.generator(seed, batches.CROPS, step)
    indices = range(len(images))
    if strength:
        return augment.changed_crops(images, indices, rng, strength)
    return batches.random_crops(images, indices, rng)


@pytest.mark.parametrize("strength", [0.0, 0.75])
def test_a_dataset_in_memory_is_cropped_or_changed_in_the_same_order(monkeypatch, strength):
    images, numbers = numbered(0, 7)
    requested = []

    def load(*arguments, **options):
        requested.append(arguments)
        return of_numbers(images, numbers, numbers)

    monkeypatch.setattr(registry, "load", load)
    record = config.Config(
        dataset="folder", data_dir="somewhere", batch_size=3, seed=5, augment=strength
    )
    got, plain = take(registry.opened(record).source, 1, 4), take(in_memory(7, 3, seed=5), 1, 4)
    assert requested == [("folder", "somewhere", "train")]
    for step, ((crops, labels), (_, plain_labels)) in enumerate(zip(got, plain), start=1):
        chosen = images[labels["digit1"]]
        np.testing.assert_array_equal(crops, changed_or_cropped(chosen, step, 5, strength))
        for name, classes in labels.items():
            np.testing.assert_array_equal(classes, plain_labels[name])
    if not strength:
        assert_same(got, plain)


@pytest.mark.parametrize("strength", [0.0, 0.75])
def test_records_are_cropped_or_changed_like_other_datasets(monkeypatch, strength):
    requested = []

    def windows(*arguments, **options):
        requested.append((arguments, options))
        return Windows()

    monkeypatch.setattr(records_reader, "windows", windows)
    record = config.Config(
        dataset="records", data_dir="x", batch_size=3, seed=5, workers=2, augment=strength
    )
    got = take(registry.opened(record).source, 1, 3)
    assert requested == [(("x", "train", 3, 5), {"workers": 2})]
    for step, (crops, labels) in enumerate(got, start=1):
        images, numbers = numbered(3 * step, 3)
        np.testing.assert_array_equal(crops, changed_or_cropped(images, step, 5, strength))
        for name, classes in tasks.encode_all(numbers).items():
            np.testing.assert_array_equal(labels[name], classes)


def test_synthetic_streams_a_pool_of_its_blocks(monkeypatch):
    requested = []

    def blocks(*arguments, **options):
        requested.append((arguments, options))
        return Blocks()

    monkeypatch.setattr(synthetic, "Blocks", blocks)
    record = config.Config(
        pool=12, reuse=3, batch_size=5, seed=6, style="written", difficulty=0.75, workers=2
    )
    expected = take(pool.from_stream(Blocks(), 12, 3, 5, 6), 2, 5)
    assert_same(take(registry.opened(record).source, 2, 5), expected)
    assert requested == [((6,), {"style": "written", "difficulty": 0.75, "workers": 2})]
