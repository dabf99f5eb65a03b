"""mtl.data.registry: datasets by name, and the training source of a run."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mtl import config, tasks
from mtl.data import adapt, augment, batches, npz, pool, registry
from mtl.data.drawn import synthetic
from mtl.data.examples import of_numbers
from mtl.data.records import content, reader as records_reader
from mtl.errors import DataError, UsageError
from mtl.inputs import NUMBERS, Inputs
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


# -- opened ----------------------------------------------------------------------------------------


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
def test_records_are_cropped_or_changed_like_other_datasets(monkeypatch, tmp_path, strength):
    requested = []

    def windows(*arguments, **options):
        requested.append((arguments, options))
        return Windows()

    monkeypatch.setattr(records_reader, "windows", windows)
    record = config.Config(
        dataset="records", data_dir=str(tmp_path), batch_size=3, seed=5, workers=2, augment=strength
    )
    record_sets.write(tmp_path)
    got = take(registry.opened(record).source, 1, 3)
    options = {"workers": 2, "found": content.NUMBERS, "part": batches.whole(3)}
    assert requested == [((str(tmp_path), "train", 3, 5), options)]
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
    made = registry.opened(record)
    assert_same(take(made.source, 2, 5), expected)
    assert (made.tasks, made.inputs) == (tasks.NUMBER_TASKS, NUMBERS)
    assert requested == [((6,), {"style": "written", "difficulty": 0.75, "workers": 2})]


# -- own tasks -------------------------------------------------------------------------------------

TASKS = "kind:3,size:real"


@pytest.fixture
def arrays(tmp_path):
    """The arrays of train of an npz dataset of features, which are in its folder."""
    rng = np.random.default_rng(8)
    made = {
        "features": rng.normal(5.0, 3.0, (40, 6)),
        "kind": rng.integers(-1, 3, 40),
        "size": np.where(rng.random(40) < 0.5, np.nan, rng.normal(170.0, 9.0, 40)),
    }
    made["features"][:, 4] = 0.1  # constant
    np.savez(tmp_path / "train.npz", **made)
    np.savez(tmp_path / "validation.npz", **{name: made[name][:7] for name in made})
    return made


def config_of(data_dir, **fields):
    return config.Config(
        **{"dataset": "npz", "data_dir": str(data_dir), "tasks": TASKS, "batch_size": 4, **fields}
    )


def test_scales_are_those_of_train(tmp_path, arrays):
    made = registry.opened(config_of(tmp_path))
    kind, size = made.tasks
    assert kind == tasks.Task("kind", 3)
    known = arrays["size"][~np.isnan(arrays["size"])].astype(np.float32).astype(np.float64)
    assert (size.mean, size.std) == (pytest.approx(known.mean()), pytest.approx(known.std()))
    features = arrays["features"].astype(np.float32)
    np.testing.assert_allclose(made.inputs.mean, features.mean(axis=0, dtype=np.float64))
    std = features.std(axis=0, dtype=np.float64)
    std[4] = 1.0
    np.testing.assert_allclose(made.inputs.std, std)
    assert (made.inputs.shape, made.inputs.dtype, made.inputs.crop) == ((6,), "float32", 0)
    (values, labels), *_ = take(made.source, 0, 1)
    assert all((features == row).all(axis=1).any() for row in values)
    assert labels["kind"].dtype == np.int32 and labels["size"].dtype == np.float32


def test_continued_run_keeps_its_scales_and_its_batches(tmp_path, arrays):
    made = registry.opened(config_of(tmp_path))
    whole = take(made.source, 0, 7)
    # More rows of another scale, as if the user had added data.
    np.savez(tmp_path / "train.npz", **arrays)
    again = registry.opened(config_of(tmp_path), made)
    assert_same(take(again.source, 3, 4), whole[3:])
    other = {name: np.concatenate([each, each * 0 + 2]) for name, each in arrays.items()}
    np.savez(tmp_path / "train.npz", **{**other, "kind": other["kind"].astype(int)})
    again = registry.opened(config_of(tmp_path), made)
    assert (again.tasks, again.inputs) == (made.tasks, made.inputs)


def test_continued_run_rejects_data_of_another_shape(tmp_path, arrays):
    made = registry.opened(config_of(tmp_path))
    np.savez(tmp_path / "train.npz", **{**arrays, "features": arrays["features"][:, 1:]})
    with pytest.raises(
        DataError, match=r"features \[5\], but the run began with .* \[6\]; restore"
    ):
        registry.opened(config_of(tmp_path), made)


def test_task_without_labels_in_train_is_an_error(tmp_path, arrays):
    np.savez(tmp_path / "train.npz", **{**arrays, "kind": np.full(40, -1)})
    with pytest.raises(DataError, match="no example of train has a label of the task kind; add"):
        registry.opened(config_of(tmp_path))


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"crop": 5}, "--crop=5 does not apply to feature vectors"),
        ({"augment": 0.5}, "--augment=0.5 changes uint8 images, not float32 features"),
        ({"dataset": "synthetic", "data_dir": "", "window": 32}, "--window=32 does not apply"),
        ({"dataset": "synthetic", "crop": 65}, "--crop=65 does not fit"),
    ],
)
def test_flag_that_does_not_fit_the_data_is_named(tmp_path, arrays, fields, reason):
    record = config.Config(**fields) if "dataset" in fields else config_of(tmp_path, **fields)
    with pytest.raises(UsageError, match=reason):
        registry.opened(record)


def test_datasets_of_numbers_reject_other_tasks():
    with pytest.raises(DataError, match="synthetic has only numbers, not the tasks kind:3; use"):
        registry.load("synthetic", "", "test", count=1, tasks=tasks.parse("kind:3"))


def test_numbers_are_converted_to_the_inputs_of_a_run():
    inputs = Inputs((20, 30, 1), 0, "float32")
    got = registry.load("synthetic", "", "test", count=3, inputs=inputs)
    whole = registry.load("synthetic", "", "test", count=3)
    np.testing.assert_array_equal(got.inputs, adapt.adapted(whole.inputs, inputs))
    assert got.inputs.shape == (3, 20, 30, 1)
