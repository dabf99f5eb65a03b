"""mtl.kinds.classes against oracles in NumPy."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import losses, tasks
from mtl.kinds import classes
from mtl.tasks import Task

TASK = Task("digit", 5)
COUNT = 23


def logits_of(count=COUNT, task=TASK, seed=0):
    return np.random.default_rng(seed).normal(size=(count, task.outputs)).astype(np.float32)


def labels_of(count=COUNT, task=TASK, seed=1):
    """Return classes, one in three missing; class 3 never occurs."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, 4], count).astype(np.int32)
    labels[::3] = -1
    return labels


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def oracle(outputs, labels):
    """Return (accuracy, balanced accuracy, macro F1), with loops over examples and classes."""
    pairs = [(int(label), int(row.argmax())) for row, label in zip(outputs, labels) if label >= 0]
    recalls, scores = [], []
    for each in sorted({value for pair in pairs for value in pair}):
        true = [pair for pair in pairs if pair[0] == each]
        guessed = [pair for pair in pairs if pair[1] == each]
        hits = pairs.count((each, each))
        if true:
            recalls.append(hits / len(true))
        precision = hits / len(guessed) if guessed else 0.0
        recall = hits / len(true) if true else 0.0
        total = precision + recall
        scores.append(2 * precision * recall / total if total else 0.0)
    accuracy = sum(true == guess for true, guess in pairs) / len(pairs)
    return accuracy, sum(recalls) / len(recalls), sum(scores) / len(scores)


# -- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 0, -2, 2.0, None])
def test_rejects_fewer_than_two_classes(outputs):
    with pytest.raises(ValueError, match=r"needs at least 2 classes.*write a:N .*a:real"):
        classes.check(Task("a", outputs))


def test_parses_a_class():
    assert [classes.parse(text, TASK) for text in ("0", "4", "03", "2.0")] == [0, 4, 3, 2]


@pytest.mark.parametrize(
    "text, what",
    [("5", "out of range"), ("9" * 5000, "out of range"), ("cat", "'cat' is not a class"),
     ("-1", "is not a class"), ("1.5", "is not a class"), ("\u0663", "is not a class"),
     ("1.0.0", "is not a class"), (".0", "is not a class"), ("5.0", "class 5.0 is out of range")],
)  # fmt: skip
def test_rejects_a_cell_that_is_not_a_class(text, what):
    with pytest.raises(ValueError, match=f"{what}; number the classes 0 to 4") as caught:
        classes.parse(text, TASK)
    assert len(str(caught.value)) < 200


def test_checks_labels():
    classes.check_labels(np.array([0, 4, -1]), TASK)
    for wrong, what in [
        ([0, 5], "got 5; number the 5 classes from 0; -1 means not labelled"),
        ([-2, 0], "got -2"),
        ([0.0, math.nan], "got float64; use integers, and -1 where there is no label"),
    ]:
        with pytest.raises(ValueError, match=what):
            classes.check_labels(np.array(wrong), TASK)


# -- graph -----------------------------------------------------------------------------------------


def graph_values(labels, **options):
    """Return (targets, labelled, losses, mean loss, its gradient) of the graph as arrays."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits = tf.constant(logits_of(len(labels)))
        targets = classes.targets(tf.constant(labels), TASK, **options)
        (mean,) = losses.mean_losses((TASK,), {"digit": logits}, {"digit": targets}, 0.0).values()
        (gradient,) = tf.gradients(mean, logits)
        each = classes.losses(logits, targets)
        return session.run([targets, classes.labelled(targets), each, mean, gradient])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_and_its_gradient_equal_numpy(smoothing):
    labels = labels_of()
    known = labels >= 0
    targets, labelled, each, mean, gradient = graph_values(labels, smoothing=smoothing)
    soft = np.full((COUNT, 5), smoothing / 5)
    soft[known, labels[known]] += 1 - smoothing
    soft[~known] = 0.0
    np.testing.assert_allclose(targets, soft, atol=1e-7)
    np.testing.assert_array_equal(labelled, known)
    log_probs = log_softmax(logits_of())
    np.testing.assert_allclose(each, -(soft * log_probs).sum(axis=1), rtol=1e-5)
    assert mean == pytest.approx(each[known].mean(), rel=1e-5)
    expected = (np.exp(log_probs) - soft) * known[:, None] / known.sum()
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_an_example_without_a_label_has_loss_and_gradient_0():
    labels = labels_of()
    _, _, each, _, gradient = graph_values(labels)
    missing = labels == -1
    assert (each[missing] == 0.0).all() and (gradient[missing] == 0.0).all()
    assert (each[~missing] > 0.0).all() and (gradient[~missing] != 0.0).all()


def test_a_batch_without_labels_has_gradient_0():
    _, labelled, _, mean, gradient = graph_values(np.full(COUNT, -1, np.int32))
    assert not labelled.any() and mean == 0.0 and (gradient == 0.0).all()


def test_a_complete_batch_has_the_same_targets():
    labels = np.arange(5, dtype=np.int32)
    complete = graph_values(labels, smoothing=0.1, complete=True)
    for one, other in zip(complete, graph_values(labels, smoothing=0.1)):
        np.testing.assert_array_equal(one, other)


def test_a_masked_class_is_not_labelled():
    labels = np.array([0, 4, 3, -1], np.int32)
    targets, labelled, _, _, gradient = graph_values(labels, smoothing=0.4, masked=True)
    assert labelled.tolist() == [True, False, True, False]
    np.testing.assert_allclose(targets[0], [0.7, 0.1, 0.1, 0.1, 0.0], atol=1e-7)
    assert (gradient[[1, 3]] == 0.0).all() and (targets[[1, 3]] == 0.0).all()


def test_outputs_are_log_probabilities():
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(classes.output(tf.constant(logits_of()), TASK))
    np.testing.assert_allclose(found, log_softmax(logits_of()), atol=1e-6)


# -- metrics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_loops(seed):
    outputs, labels = log_softmax(logits_of(seed=seed)), labels_of(seed=seed + 9)
    found = classes.measure(outputs, labels, TASK)
    known = np.flatnonzero(labels >= 0)
    assert found["examples"] == len(known) == 15
    loss = math.fsum(-float(outputs[i, labels[i]]) for i in known) / len(known)
    assert found["loss"] == pytest.approx(loss, rel=1e-12)
    values = [found[name] for name in ("accuracy", "balanced_accuracy", "macro_f1")]
    assert values == pytest.approx(oracle(outputs, labels), rel=1e-12)
    assert all(type(value) is float for value in values)


def test_balanced_accuracy_and_f1_of_a_case_by_hand():
    # Class 0: 3 of 4 found, 4 predicted. Class 1: 0 of 1, 1 predicted. Classes 2 to 4: none.
    outputs = np.log(np.eye(5, dtype=np.float32)[[0, 0, 0, 1, 0]] + 0.01)
    found = classes.measure(outputs, np.array([0, 0, 0, 0, 1]), TASK)
    assert found["accuracy"] == 0.6 and found["balanced_accuracy"] == 0.375
    assert found["macro_f1"] == pytest.approx((2 * 3 / 8 + 0) / 2)


def test_a_split_with_one_class_only():
    outputs = np.log(np.full((4, 5), 0.2, np.float32))  # class 0, the first of equals
    found = classes.measure(outputs, np.zeros(4, np.int32), TASK)
    assert [found[name] for name in ("accuracy", "balanced_accuracy", "macro_f1")] == [1.0] * 3


def test_nan_outputs_are_wrong():
    outputs = np.full((4, 5), np.nan, np.float32)
    found = classes.measure(outputs, np.zeros(4, np.int32), TASK)
    assert found["loss"] is None and found["accuracy"] == 0.0 == found["macro_f1"]
    assert not classes.correct(outputs, np.zeros(4, np.int32), TASK).any()
    assert classes.predicted(outputs[0], TASK) == "nan"
    assert classes.prediction(outputs[0], TASK) == {"class": None, "probabilities": [None] * 5}


def test_each_and_correct_are_of_single_examples():
    outputs, labels = log_softmax(logits_of()), labels_of()
    each, correct = classes.each(outputs, labels, TASK), classes.correct(outputs, labels, TASK)
    for i, label in enumerate(labels):
        if label < 0:
            assert math.isnan(each[i]) and not correct[i]
        else:
            assert each[i] == -float(outputs[i, label])
            assert correct[i] == (outputs[i].argmax() == label)


def test_a_certain_class_has_loss_0_and_not_minus_0():
    outputs = np.array([[0.0, -50, -50, -50, -50]], np.float32)
    loss = classes.measure(outputs, np.zeros(1, np.int32), TASK)["loss"]
    assert str(loss) == "0.0"


def test_predictions_of_an_example():
    row = np.log(np.array([0.1, 0.2, 0.3, 0.3, 0.1], np.float32))
    found = classes.prediction(row, TASK)
    assert found["class"] == 2 and classes.predicted(row, TASK) == "2"
    assert found["probabilities"] == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.1], rel=1e-6)
    assert classes.cells(found) == [found["class"], found["probabilities"][found["class"]]]
    assert classes.cells({"class": None, "probabilities": [None] * 5}) == [None, None]
    assert len(classes.COLUMNS) == len(classes.cells(found))
    assert (classes.written(np.int32(3), TASK), classes.written(-1, TASK)) == ("3", "")


def test_the_table_counts_pairs_of_classes():
    outputs, labels = log_softmax(logits_of()), labels_of()
    rows = classes.table(outputs, labels, TASK)
    pairs = [(int(label), int(row.argmax())) for row, label in zip(outputs, labels)]
    assert [row["true"] for row in rows] == list("01234")
    for row in rows:
        true = int(row.pop("true"))
        for predicted, count in row.items():
            assert count == pairs.count((true, int(predicted)))


def test_the_table_of_many_classes_lists_the_errors():
    task = Task("word", 30_000)  # a matrix would need 7 GB
    labels = np.array([7, 7, 7, 29_999, -1, 3], np.int32)
    outputs = np.zeros((6, task.outputs), np.float32)
    outputs[np.arange(6), [9, 7, 9, 0, 5, 3]] = 1.0
    columns = ("true", "predicted", "examples")
    expected = [dict(zip(columns, row)) for row in ((7, 9, 2), (29_999, 0, 1))]
    assert classes.table(outputs, labels, task) == expected
    assert classes.measure(outputs, labels, task)["accuracy"] == 2 / 5


def test_the_tasks_of_the_answer_have_a_matrix():
    for task in tasks.NUMBER_TASKS:
        rows = classes.table(np.zeros((0, task.outputs)), np.zeros(0, np.int32), task)
        assert [row["true"] for row in rows] == list(rows[0])[1:]
