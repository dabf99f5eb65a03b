"""mtl.kinds.real against oracles in NumPy."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import losses
from mtl.kinds import real
from mtl.tasks import Task

TASK = Task("height", 1, "real", mean=171.5, std=12.5)
COUNT = 19


def labels_of(count=COUNT, seed=1):
    """Return lengths in cm; one in three is missing."""
    labels = np.random.default_rng(seed).normal(170, 12, count).astype(np.float32)
    labels[::3] = np.nan
    return labels


def outputs_of(count=COUNT, seed=0):
    return np.random.default_rng(seed).normal(170, 12, (count, 1)).astype(np.float32)


# -- labels ----------------------------------------------------------------------------------------


def test_checks_the_outputs_and_the_scale():
    real.check(TASK)
    with pytest.raises(ValueError, match="outputs=3.*write height:real"):
        real.check(TASK._replace(outputs=3))
    for scale in ({"mean": math.nan}, {"std": 0.0}, {"std": math.inf}, {"std": -1.0}):
        with pytest.raises(ValueError, match="both must be finite, std above 0"):
            real.check(TASK._replace(**scale))


def test_parses_a_number():
    assert [real.parse(text, TASK) for text in ("1.75", "-3", "1e-3")] == [1.75, -3.0, 0.001]


@pytest.mark.parametrize("text", ["tall", "nan", "inf", "1e39", "1,5", "1_000", "\u0663"])
def test_rejects_a_cell_that_is_not_a_number(text):
    with pytest.raises(ValueError, match="is not a number; write a finite number such as 1.75"):
        real.parse(text, TASK)


def test_checks_labels():
    real.check_labels(labels_of(), TASK)
    real.check_labels(np.array([1.0, np.nan]), TASK)
    for wrong, what in [([1, 2], "got int64"), ([1.0, np.inf], "got inf"), ([1e39], "1e\\+39")]:
        with pytest.raises(ValueError, match=what):
            real.check_labels(np.array(wrong), TASK)


def test_the_scale_is_that_of_the_labels():
    labels = labels_of()
    known = labels[~np.isnan(labels)].astype(np.float64)
    task = real.fitted(Task("height", 1, "real"), labels)
    assert (task.mean, task.std) == (known.mean(), known.std())


def test_equal_labels_have_the_standard_deviation_1():
    # In float64, the standard deviation of 0.1f, 11 times, is 1.4e-17.
    task = real.fitted(Task("height", 1, "real"), np.full(11, 0.1, np.float32))
    assert task.std == 1.0 and task.mean == pytest.approx(0.1)


# -- graph -----------------------------------------------------------------------------------------


def graph_values(labels, logits):
    """Return (labelled, losses, mean loss, its gradient) of the graph as arrays."""
    with tf.Graph().as_default(), tf.Session() as session:
        top = tf.constant(logits)
        targets = real.targets(tf.constant(labels), TASK, smoothing=0.1, complete=True, masked=True)
        (mean,) = losses.mean_losses((TASK,), {"height": top}, {"height": targets}, 0.0).values()
        (gradient,) = tf.gradients(mean, top)
        return session.run([real.labelled(targets), real.losses(top, targets), mean, gradient])


def test_the_loss_and_its_gradient_equal_numpy():
    labels, logits = labels_of(), np.random.default_rng(3).normal(size=(COUNT, 1))
    logits = logits.astype(np.float32)
    labelled, each, mean, gradient = graph_values(labels, logits)
    known = ~np.isnan(labels)
    np.testing.assert_array_equal(labelled, known)
    errors = np.where(known, logits[:, 0] - (labels - 171.5) / 12.5, 0.0)
    np.testing.assert_allclose(each, errors**2, rtol=1e-4, atol=1e-6)
    assert mean == pytest.approx((errors**2).sum() / known.sum(), rel=1e-5)
    np.testing.assert_allclose(gradient[:, 0], 2 * errors / known.sum(), rtol=1e-4, atol=1e-6)


def test_an_example_without_a_label_has_loss_and_gradient_0():
    labels = labels_of()
    _, each, mean, gradient = graph_values(labels, np.ones((COUNT, 1), np.float32))
    missing = np.isnan(labels)
    assert (each[missing] == 0.0).all() and (gradient[missing] == 0.0).all()
    assert (each[~missing] > 0.0).all() and (gradient[~missing] != 0.0).all()
    assert np.isfinite(mean)


def test_a_batch_without_labels_has_gradient_0():
    labels = np.full(COUNT, np.nan, np.float32)
    labelled, _, mean, gradient = graph_values(labels, np.ones((COUNT, 1), np.float32))
    assert not labelled.any() and mean == 0.0 and (gradient == 0.0).all()


def test_the_output_is_in_the_unit_of_the_labels():
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(real.output(tf.constant([[0.0], [2.0]]), TASK))
    np.testing.assert_allclose(found, [[171.5], [196.5]])


# -- metrics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_loops(seed):
    outputs, labels = outputs_of(seed=seed), labels_of(seed=seed + 9)
    pairs = [(float(row[0]), float(y)) for row, y in zip(outputs, labels) if not math.isnan(y)]
    squared = math.fsum((value - label) ** 2 for value, label in pairs) / len(pairs)
    mean = math.fsum(label for _, label in pairs) / len(pairs)
    variance = math.fsum((label - mean) ** 2 for _, label in pairs) / len(pairs)
    expected = {
        "examples": len(pairs),
        "loss": squared / 12.5**2,
        "rmse": math.sqrt(squared),
        "mae": math.fsum(abs(value - label) for value, label in pairs) / len(pairs),
        "r2": 1 - squared / variance,
    }
    assert real.measure(outputs, labels, TASK) == pytest.approx(expected, rel=1e-9)


def test_equal_labels_have_no_r2():
    labels = np.full(11, 0.1, np.float32)
    found = real.measure(np.zeros((11, 1), np.float32), labels, TASK)
    assert found["r2"] is None and found["mae"] == pytest.approx(0.1)


def test_nan_and_infinite_outputs_are_null():
    labels = labels_of(7)
    for value in (np.nan, np.inf):
        found = real.measure(np.full((7, 1), value, np.float32), labels, TASK)
        assert found == {"examples": 4, **dict.fromkeys(real.METRICS)}


def test_each_is_in_squared_standard_deviations():
    labels = np.array([171.5, np.nan], np.float32)
    each = real.each(np.array([[196.5], [0.0]], np.float32), labels, TASK)
    assert each[0] == 4.0 and math.isnan(each[1])


def test_predictions_of_an_example():
    row = np.array([171.25], np.float32)
    assert real.prediction(row, TASK) == {"value": 171.25}
    assert real.prediction(np.array([np.nan]), TASK) == {"value": None}
    assert real.cells(real.prediction(row, TASK)) == [171.25]
    assert len(real.COLUMNS) == 1
    assert real.predicted(row, TASK) == "171.25"
    assert (real.written(np.float32(1.75), TASK), real.written(math.nan, TASK)) == ("1.75", "")


def test_the_table_counts_errors_by_size():
    labels = np.full(8, 100.0, np.float32)
    labels[7] = np.nan
    values = [100, 101, 98, 95, 140, np.inf, np.nan, 100]
    rows = real.table(np.array(values, np.float32)[:, None], labels, TASK)
    assert [row["error from"] for row in rows] == [0.0, 1.25, 3.125, 6.25, 12.5, 25.0]
    assert [row["below"] for row in rows] == [1.25, 3.125, 6.25, 12.5, 25.0, None]
    # An error that is not finite counts as the largest.
    assert [row["examples"] for row in rows] == [2, 1, 1, 0, 0, 3]
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
