"""mtl.kinds.binary: labels that are yes or no, against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import tasks
from mtl.kinds import binary

ONE = tasks.Task("adult", 1, "binary")
THREE = tasks.Task("tags", 3, "binary")
LABELS = np.array([[1, 0, 1], [0, -1, 1], [-1, -1, -1], [1, 1, 0], [0, 0, 0]], np.int32)
LOGITS = np.random.default_rng(4).normal(scale=2.0, size=LABELS.shape).astype(np.float32)


def expected_losses(logits, labels, smoothing=0.0):
    """Return the loss of each example, NaN without a label, from the definition."""
    found = []
    for row, known in zip(np.float64(logits), labels):
        yes = 1 / (1 + np.exp(-row))
        soft = known * (1 - smoothing) + smoothing / 2
        lost = -(soft * np.log(yes) + (1 - soft) * np.log(1 - yes))
        found.append(lost[known >= 0].mean() if (known >= 0).any() else np.nan)
    return np.array(found)


def test_is_a_task_like_any_other():
    assert tasks.parse("adult:binary,tags:binary:3") == (ONE, THREE)
    assert tasks.text([ONE, THREE]) == "adult:binary,tags:binary:3"
    tasks.check_labels({"tags": LABELS, "adult": LABELS[:, 0]}, [ONE, THREE], 5)


@pytest.mark.parametrize("outputs", [0, -1, 1.5, None])
def test_a_task_needs_a_label(outputs):
    with pytest.raises(ValueError, match="task tags has outputs=.*, but needs at least 1 label"):
        tasks.check([tasks.Task("tags", outputs, "binary")])


@pytest.mark.parametrize("text, labels", [("1 0 1", [1, 0, 1]), (" 0  0 0 ", [0, 0, 0])])
def test_parses_a_cell(text, labels):
    assert binary.parse(text, THREE) == labels
    for one in (text.split()[0], text.split()[0] + ".0"):
        assert binary.parse(one, ONE) == labels[0]


@pytest.mark.parametrize("text", ["1 0", "1 0 2", "yes", "1,0,1", "1 0 1 1", "\u0661 0 1"])
def test_another_cell_is_refused(text):
    cure = "write them with spaces, such as 1 0 1; an empty cell means not labelled"
    with pytest.raises(ValueError, match=f"is not 3 labels of 0 or 1; {cure}"):
        binary.parse(text, THREE)
    with pytest.raises(ValueError, match="is not a label of 0 or 1; write 0 or 1; an empty cell"):
        binary.parse(text, ONE)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (np.full([5, 3], 2), "labels of task tags must be 0 or 1, got 2"),
        (np.zeros([5, 3]), "must be integers, got float64; use integers, and -1 where"),
        (np.zeros([5], np.int32), r"must have the shape \[5, 3\], got \[5\]"),
    ],
)
def test_other_labels_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        tasks.check_labels({"tags": wrong}, [THREE], 5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_in_the_graph_equal_numpy_and_missing_labels_have_no_gradient(smoothing):
    with tf.Graph().as_default(), tf.Session() as session:
        logits = tf.constant(LOGITS)
        targets = binary.targets(tf.constant(LABELS), THREE, smoothing=smoothing)
        losses = binary.losses(logits, targets)
        gradient = tf.gradients(losses, logits)[0]
        fetches = [losses, gradient, binary.labelled(targets)]
        losses, gradient, labelled = session.run(fetches)
    expected = expected_losses(LOGITS, LABELS, smoothing)
    np.testing.assert_allclose(losses, np.nan_to_num(expected), rtol=1e-5)
    np.testing.assert_array_equal(labelled, ~np.isnan(expected))
    np.testing.assert_array_equal(gradient != 0, LABELS >= 0)


def test_one_label_is_a_column():
    with tf.Graph().as_default(), tf.Session() as session:
        targets = session.run(binary.targets(tf.constant([1, -1, 0]), ONE))
    np.testing.assert_array_equal(targets, np.float32([[1], [np.nan], [0]]))


def test_losses_in_numpy_equal_the_definition():
    found = binary.each(LOGITS, LABELS, THREE)
    np.testing.assert_allclose(found, expected_losses(LOGITS, LABELS), rtol=1e-9)


def test_an_example_is_correct_if_all_its_labels_are():
    outputs = np.float32([[3, -2, 1], [-1, 9, 2], [1, 1, 1], [1, 1, 0.5], [np.nan, -1, -1]])
    assert binary.correct(outputs, LABELS, THREE).tolist() == [True, True, False, False, False]
    found = binary.measure(outputs, LABELS, THREE)
    assert found["examples"] == 4 and found["accuracy"] == 0.5
    # yes and true: 2 + 1 + 2; yes: 2 + 1 + 3; true: 2 + 1 + 2
    assert found["f1"] == pytest.approx(2 * 5 / (6 + 5))
    assert found["loss"] is None


def test_metrics_without_labels_are_none():
    found = binary.measure(LOGITS, np.full_like(LABELS, -1), THREE)
    assert found == {"examples": 0, "loss": None, "accuracy": None, "f1": None}


def test_table_counts_each_label():
    outputs = np.where(LABELS == 1, 2.0, -2.0).astype(np.float32)
    outputs[0, 0] = -1.0
    rows = binary.table(outputs, LABELS, THREE)
    assert rows[0] == {"label": "0", "examples": 4, "labelled 1": 2, "predicted 1": 1, "both 1": 1}
    assert rows[1] == {"label": "1", "examples": 3, "labelled 1": 1, "predicted 1": 1, "both 1": 1}


def test_prediction_has_labels_and_probabilities():
    found = binary.prediction(np.float32([0.0, 2.0, -40.0]), THREE)
    assert found["labels"] == [0, 1, 0]
    assert found["probabilities"] == pytest.approx([0.5, 1 / (1 + np.exp(-2)), np.exp(-40)])
    text, product = binary.cells(found)
    assert text == "0 1 0" and product == pytest.approx(0.5 / (1 + np.exp(-2)))
    broken = binary.prediction(np.float32([np.nan, 1.0]), THREE)
    assert broken["labels"] == [None, 1] and broken["probabilities"][0] is None
    assert binary.cells(broken) == [None, None]


def test_labels_and_predictions_as_text():
    assert [binary.written(label, THREE) for label in LABELS[:3]] == ["1 0 1", "0 ? 1", ""]
    assert [binary.written(label, ONE) for label in np.int32([1, 0, -1])] == ["1", "0", ""]
    assert binary.predicted(np.float32([-1, 2]), THREE) == "0 1"
