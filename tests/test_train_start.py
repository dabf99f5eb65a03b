"""mtl.train on the toy: runs that it refuses to start, and --init_from."""

import itertools
import math
import os

import numpy as np
import pytest

from helpers import one_line
from mtl.errors import DataError, UsageError
from mtl.runs import find
from tests.run_directories import assert_same_run, fingerprint, saved_steps, variables_of
from tests.toy_runs import CONFIG, changed, copy_at_step_8, run, source

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse", "nothing_left")]


def no_source(first_step):
    """Fail: a refused run must not read data."""
    raise AssertionError("the data was read")


# -- refused runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": 0.5},
        {"bottom": "small"},
        {"seed": 6, "batch_size": 7},
        {"dropout": 0.0},
        {"schedule": "cosine"},
    ],
    ids="-".join,
)
def test_rejects_changed_flags_by_name(reference, fields):
    before = fingerprint(reference)
    with pytest.raises(UsageError) as error:
        run(reference, changed(**fields, steps=20), source=no_source)
    changes = [f"--{name}={getattr(CONFIG, name)} (now {new})" for name, new in fields.items()]
    message = one_line(error, reference, "--model_dir", "only --steps", *changes)
    assert "--steps=" not in message
    assert fingerprint(reference) == before


@pytest.mark.parametrize("text", [None, "{"])
def test_rejects_checkpoints_without_a_readable_config_json(reference, tmp_path, text):
    copy_at_step_8(reference, tmp_path)
    path = tmp_path / "config.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    before = fingerprint(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, source=no_source)
    one_line(error, "config.json")
    assert fingerprint(tmp_path) == before


def test_rejects_a_damaged_checkpoint_and_changes_nothing(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    data = tmp_path / "model.ckpt-8.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    before = fingerprint(tmp_path)
    with pytest.raises(DataError) as error:
        run(tmp_path, source=no_source)
    one_line(error, tmp_path / "model.ckpt-8")
    assert fingerprint(tmp_path) == before


def test_rejects_a_directory_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        run(tmp_path / "file" / "run", source=no_source)
    one_line(error, tmp_path / "file")


def changed_source(change):
    """Return a source whose batches are changed.

    Args:
      change: function (images, labels) -> (images, labels).
    """

    def changed_batches(first_step):
        for images, labels in source(first_step):
            yield change(images, labels)

    return changed_batches


def without_digit5(images, labels):
    del labels["digit5"]
    return images, labels


def with_colour(images, labels):
    return images, {**labels, "colour": labels["length"]}


def of_other_tasks(images, labels):
    return images, {"colour": labels["length"]}


def as_fractions(images, labels):
    return images, {name: classes + 0.5 for name, classes in labels.items()}


def one_for_all(images, labels):
    return images, {name: classes[:1] for name, classes in labels.items()}


def empty(images, labels):
    return images[:0], {name: classes[:0] for name, classes in labels.items()}


def smaller(images, labels):
    return images[:, :50], labels


@pytest.mark.parametrize(
    "change, message",
    [
        (without_digit5, "'digit4'.; give each of these tasks its labels"),
        (with_colour, "'colour'.; give each of these tasks its labels"),
        (of_other_tasks, "got .'colour'.; give each of these tasks its labels"),
        (as_fractions, "labels of task length must be integers, got float64"),
        (one_for_all, r"labels of task length must have the shape \[6\], got \[1\]"),
        (empty, "a batch has no examples"),
        (smaller, r"inputs must be uint8 \[n, 54, 54, 3\].*; resize them"),
    ],
)
def test_wrong_batch_is_an_error_before_a_file_is_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", source=changed_source(change))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("count, saved", [(0, []), (3, [3])])
def test_source_that_ends_early_is_an_error_and_its_steps_are_saved(tmp_path, count, saved):
    def short(first_step):
        return list(itertools.islice(source(first_step), count))

    with pytest.raises(ValueError, match=f"the source has no batch for step {count + 1}; a source"):
        run(tmp_path, source=short, evaluate=None)
    assert saved_steps(tmp_path) == saved


@pytest.mark.parametrize(
    "row",
    [
        *({}, {"accuracy": 0.5}, {"sequence_accuracy": None}, {"sequence_accuracy": 50.0}, None),
        *({"score": math.nan}, {"score": "high"}),
    ],
)
def test_evaluation_without_a_score_is_an_error(tmp_path, row):
    record = changed(steps=1, save_every=1)
    with pytest.raises(ValueError, match='return a dict with "score", a finite float'):
        run(tmp_path, record, evaluate=lambda network: row)
    assert saved_steps(tmp_path) == [1]
    assert not (tmp_path / "best").exists()


# -- init_from -------------------------------------------------------------------------------------


def test_init_from_restores_only_the_weights(reference, tmp_path):
    first_steps = []

    def recording(first_step):
        first_steps.append(first_step)
        return source(first_step)

    # This rate is too small to change a weight that is not 0.
    record = changed(init_from=str(reference), learning_rate=1e-30, steps=1, seed=77)
    _, messages = run(tmp_path, record, source=recording, evaluate=None)
    start = find.checkpoint(str(reference))
    assert f"{os.sep}best{os.sep}" in start
    assert messages == [f"{tmp_path}: starting from the weights of {start}"]
    assert first_steps == [0]
    expected = variables_of(start)
    found = variables_of(tmp_path / "model.ckpt-1")
    assert found["global_step"] == 1
    assert found["beta1_power"] == pytest.approx(0.9**2)  # Adam starts anew
    del expected["global_step"]
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-29, err_msg=name)


def test_continued_run_ignores_init_from(reference, tmp_path):
    copy_at_step_8(reference, tmp_path)
    _, messages = run(tmp_path, changed(init_from=str(tmp_path / "gone")))
    assert "continuing from step 8" in messages[0]
    assert "starting" not in "".join(messages)
    assert_same_run(tmp_path, reference)


def test_rejects_init_from_another_network(reference, tmp_path):
    record = changed(bottom="small", init_from=str(reference))
    with pytest.raises(DataError) as error:
        run(tmp_path / "run", record, source=no_source)
    one_line(error, reference, "--bottom")
    assert not (tmp_path / "run").exists()


def test_rejects_init_from_an_empty_directory(tmp_path):
    with pytest.raises(DataError, match="no checkpoint"):
        run(tmp_path / "run", changed(init_from=str(tmp_path / "empty")), source=no_source)
    assert not (tmp_path / "run").exists()
