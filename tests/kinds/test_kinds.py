"""mtl.kinds: what every kind of task has."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import kinds
from mtl.tasks import Task

NAMES = [
    "check",
    "label_shape",
    "parse",
    "check_labels",
    "missing",
    "fitted",
    "targets",
    "labelled",
    "losses",
    "output",
    "each",
    "measure",
    "prediction",
    "served",
    "serving",
    "cells",
    "written",
    "predicted",
    "table",
]
SIZES = (1, 2, 3, 5)


def smallest(name):
    """Return the smallest task that a kind accepts."""
    for size in SIZES:
        task = Task("a", size, name)
        try:
            kinds.find(name).check(task)
        except ValueError:
            continue
        return task
    raise AssertionError(f"{name} accepts none of {SIZES} outputs")


def examples_of(name, count=7):
    """Return a task, its outputs and labels; no example has a label."""
    kind, task = kinds.find(name), smallest(name)
    labels = np.full((count, *kind.label_shape(task)), kind.MISSING, kind.DTYPE)
    return task, np.zeros((count, task.outputs), np.float32), labels


def test_finds_a_kind_by_its_name():
    assert {"classes", "real"} <= set(kinds.KINDS)
    for name in kinds.KINDS:
        assert kinds.find(name).__name__ == f"mtl.kinds.{name}"
    with pytest.raises(ValueError, match="kind 'wood' must be one of .*classes.*real"):
        kinds.find("wood")


@pytest.mark.parametrize("name", kinds.KINDS)
def test_a_kind_has_all_functions_and_their_arguments(name):
    kind, model = kinds.find(name), kinds.find("classes")
    for function in [*NAMES, *(["correct"] if kind.EXACT else [])]:
        expected = list(inspect.signature(getattr(model, function)).parameters)
        assert list(inspect.signature(getattr(kind, function)).parameters) == expected, function
    assert kind.SCORE in kind.METRICS and "loss" in kind.METRICS
    assert kind.LOSS and kind.OUTPUT
    assert kind.MISSING == kind.DTYPE(kind.MISSING) or np.isnan(kind.MISSING)


@pytest.mark.parametrize("name", kinds.KINDS)
@pytest.mark.parametrize("count", [0, 7])
def test_without_labels_every_metric_is_none(name, count):
    kind = kinds.find(name)
    task, outputs, labels = examples_of(name, count)
    kind.check_labels(labels, task)
    assert kind.missing(labels).tolist() == [True] * count
    found = kind.measure(outputs, labels, task)
    assert found == {"examples": 0, **dict.fromkeys(kind.METRICS)}
    assert list(found) == ["examples", *kind.METRICS]
    assert np.isnan(kind.each(outputs, labels, task)).tolist() == [True] * count
    assert kind.fitted(task, labels) == task
    assert isinstance(kind.table(outputs, labels, task), list)
    if count:
        assert kind.written(labels[0], task) == ""
        assert len(kind.cells(kind.prediction(outputs[0], task))) == len(kind.COLUMNS)


@pytest.mark.parametrize("name", kinds.KINDS)
@pytest.mark.parametrize("more", [0, 2])
def test_an_exported_model_gives_the_predictions(name, more):
    kind, task = kinds.find(name), smallest(name)
    try:
        kind.check(task._replace(outputs=task.outputs + more))
        task = task._replace(outputs=task.outputs + more)
    except ValueError:
        pass  # the kind has only one size
    outputs = np.random.default_rng(0).normal(size=(9, task.outputs)).astype(np.float32)
    outputs[0] = 0.0
    with tf.Graph().as_default(), tf.Session() as session:
        given = kind.output(tf.constant(outputs), task)
        outputs, found = session.run([given, kind.serving(given, task)])
    assert list(found) == list(kind.served(task))
    for key, (dtype, shape) in kind.served(task).items():
        assert (found[key].dtype.name, found[key].shape) == (dtype, (9, *shape)), key
        expected = [kind.prediction(row, task)[key] for row in outputs]
        np.testing.assert_allclose(found[key], expected, rtol=1e-5, err_msg=key)


@pytest.mark.parametrize("value, shown", [(1.5, 1.5), (None, None), (float("nan"), None)])
def test_finite_is_none_for_values_that_json_lacks(value, shown):
    assert kinds.finite(value) == shown
    assert kinds.finite(np.float32(np.inf)) is None
    assert type(kinds.finite(np.float32(2.0))) is float


def test_readers_of_data_do_not_load_tensorflow():
    code = "import sys; from mtl import kinds; [kinds.find(name) for name in kinds.KINDS]; "
    code += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
