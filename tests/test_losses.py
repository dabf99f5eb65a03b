"""mtl.losses: mean losses of any tasks, soft labels and the mask. See tests/objectives too."""

import functools
import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from helpers import THREE_TASKS
from mtl import losses, objectives
from mtl.objectives import log_sum
from mtl.tasks import Task

FLOOR = math.log(log_sum.CLIP_MIN)
CEILING = math.log(log_sum.CLIP_MAX)


def evaluate(build, logits, labels):
    """Evaluate a cost with its gradient and mean losses, for dicts of arrays.

    Args:
      build: function (logits, labels) -> (cost, dict of mean losses), all tensors.
      logits, labels: dict task name -> float32 [batch, classes].

    Returns:
      the cost, a dict of its gradients by the logits, and the dict of mean losses.
    """
    tasks = [Task(name, rows.shape[1]) for name, rows in logits.items()]
    with tf.Graph().as_default(), tf.Session() as session:
        logit_tensors, label_tensors = helpers.placeholders(tasks)
        cost, means = build(logit_tensors, label_tensors)
        gradients = tf.gradients(cost, list(logit_tensors.values()))
        fetches = [cost, dict(zip(logit_tensors, gradients)), means]
        return session.run(fetches, helpers.feed((logit_tensors, logits), (label_tensors, labels)))


def with_log_sum(logits, labels):
    return losses.log_sum(logits, labels), losses.cross_entropies(logits, labels)


def with_linear(logits, labels):
    return losses.linear(logits, labels), losses.cross_entropies(logits, labels)


def evaluate_one(logits, labels):
    """Evaluate log_sum for one example of one task; return cost, gradient and mean loss."""
    cost, gradients, means = evaluate(
        with_log_sum, {"a": np.float32([logits])}, {"a": np.float32([labels])}
    )
    return cost, gradients["a"][0], means["a"]


# -- a single loss ---------------------------------------------------------------------------------


@pytest.mark.parametrize("logits", [[-math.inf, 0, 0], [-3e38, 3e38, 0]])
def test_clip_hides_an_infinite_loss_that_the_mean_shows(logits):
    cost, gradient, mean = evaluate_one(logits, [1, 0, 0])
    assert cost == pytest.approx(CEILING, rel=1e-6)
    assert not gradient.any()
    assert mean == math.inf


def test_nan_reaches_the_cost():
    cost, _, mean = evaluate_one([math.nan, 0, 0], [1, 0, 0])
    assert math.isnan(cost)
    assert math.isnan(mean)


def test_float32_loss_is_exactly_0_from_a_margin_of_about_17():
    _, _, mean = evaluate_one([16, 0], [1, 0])
    assert mean > 0
    cost, gradient, mean = evaluate_one([18, 0], [1, 0])
    assert mean == 0
    assert cost == pytest.approx(FLOOR, rel=1e-6)
    assert not gradient.any()


@pytest.mark.parametrize(
    "margin, limit, tolerance, rounding",
    [(1, -0.77, 0.2, 2e-3), (5, -0.99, 0.01, 2e-3), (10, -1, 0.01, 2e-3), (15, -1, 0.01, 0.1)],
)
def test_gradient_of_a_solved_task_does_not_vanish(margin, limit, tolerance, rounding):
    # With two classes and p = sigmoid(margin), d log(L) / d logit = -(1 - p) / L, which tends to
    # -1. At a margin of 15 float32 keeps few digits of L.
    expected = -1 / (1 + math.exp(margin)) / math.log1p(math.exp(-margin))
    assert expected == pytest.approx(limit, abs=tolerance)
    _, gradient, _ = evaluate_one([margin, 0], [1, 0])
    assert gradient[0] == pytest.approx(expected, rel=rounding)


def test_a_row_of_zeros_counts_as_a_perfect_answer():
    # tf.one_hot makes such rows of classes out of range: the reason for losses.smooth.
    logits = np.random.default_rng(7).normal(size=[3, 5]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        labels = tf.one_hot([2, 5, -1], 5)
        fetches = [
            labels,
            losses.mean_cross_entropy(logits, labels),
            losses.mean_cross_entropy(logits[:1], labels[:1]),
            losses.log_sum({"a": logits[1:]}, {"a": labels[1:]}),
        ]
        labels, mean, of_first, cost_of_others = session.run(fetches)
    assert not labels[1:].any()
    assert mean == pytest.approx(of_first / 3, rel=1e-6)
    assert cost_of_others == pytest.approx(FLOOR, rel=1e-6)


def test_loss_of_an_empty_batch_is_nan():
    empty = {"a": np.zeros([0, 5], np.float32)}
    assert math.isnan(helpers.run_graph(lambda: losses.log_sum(empty, empty)))


# -- any tasks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 13])
@pytest.mark.parametrize("count", [1, 3])
def test_values_and_gradients_equal_numpy_for_any_tasks(count, batch):
    rng = np.random.default_rng([count, batch])
    logits, labels = helpers.random_batch(rng, batch, THREE_TASKS[:count])
    means = {}
    errors = {}  # the gradients of the means by the logits
    for name in logits:
        means[name] = helpers.mean_cross_entropy(logits[name], labels[name])
        errors[name] = (helpers.softmax(logits[name]) - labels[name]) / batch
    weighted = {name: error / means[name] for name, error in errors.items()}
    log_cost = sum(math.log(mean) for mean in means.values())
    cases = [
        (with_log_sum, log_cost, weighted),
        (with_linear, sum(means.values()), errors),
    ]
    for build, expected_cost, expected_gradients in cases:
        cost, gradients, found_means = evaluate(build, logits, labels)
        assert cost == pytest.approx(expected_cost, rel=1e-5, abs=1e-5)
        assert found_means == pytest.approx(means, rel=1e-5)
        for name, expected in expected_gradients.items():
            tolerance = 1e-5 * np.abs(expected).max()
            np.testing.assert_allclose(gradients[name], expected, rtol=1e-4, atol=tolerance)


def test_order_of_labels_does_not_matter():
    logits, labels = helpers.random_batch(np.random.default_rng(5), 7, THREE_TASKS)
    reordered = dict(reversed(list(labels.items())))
    with tf.Graph().as_default(), tf.Session() as session:
        costs = [losses.log_sum(logits, labels), losses.log_sum(logits, reordered)]
        expected, found = session.run(costs)
    assert found == expected


def each_cost(logits, labels):
    """Call each function of dicts; return the messages of their ValueErrors."""
    functions = [losses.log_sum, losses.linear, losses.cross_entropies, with_mask]
    messages = []
    for function in functions:
        with tf.Graph().as_default(), pytest.raises(ValueError) as error:
            function(logits, labels)
        messages.append(str(error.value))
    assert len(set(messages)) == 1
    return messages[0]


def test_labels_of_other_tasks_are_an_error():
    logits, labels = helpers.random_batch(np.random.default_rng(6), 7, THREE_TASKS)
    missing = {name: labels[name] for name in ("colour", "size")}
    found = "logits of ['colour', 'shape', 'size'] and labels of ['colour', 'size']"
    assert each_cost(logits, missing) == f"got {found}; give both for the same tasks, at least one"
    assert "'unused']" in each_cost(logits, {**labels, "unused": labels["size"]})
    assert "logits of [] and labels of []" in each_cost({}, {})


@pytest.mark.parametrize("index", [np.s_[:1], np.s_[:, :1], np.s_[:, 0], np.s_[:6]])
def test_labels_of_another_shape_are_an_error(index):
    # TensorFlow repeats a single row, or a single class, over the whole batch.
    logits, labels = helpers.random_batch(np.random.default_rng(6), 7, THREE_TASKS)
    labels["shape"] = labels["shape"][index]
    message = each_cost(logits, labels)
    size = logits["shape"].shape[1]
    assert message.startswith(f"task shape has logits (7, {size}) and labels (")
    assert message.endswith("; both must be [batch, outputs]")


# -- label smoothing -------------------------------------------------------------------------------


def smooth(classes, depth, smoothing, masked=False):
    """Return the values of losses.smooth."""
    classes = np.int32(classes)
    return helpers.run_graph(lambda: losses.smooth(tf.constant(classes), depth, smoothing, masked))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("depth", [7, 11])
def test_soft_labels_are_probabilities(smoothing, depth):
    classes = [0, 3, depth - 1, 3]
    rows = smooth(classes, depth, smoothing)
    assert rows.dtype == np.float32
    assert rows.shape == (4, depth)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    expected = (1 - smoothing) * np.eye(depth)[classes] + smoothing / depth
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    np.testing.assert_array_equal(rows.argmax(axis=1), classes)


def test_labels_without_smoothing_are_exactly_one_hot():
    np.testing.assert_array_equal(smooth([2, 0, 4], 5, 0.0), np.eye(5)[[2, 0, 4]])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("wrong", [-1, 5, 11])
def test_a_class_out_of_range_raises_and_names_the_labels(wrong, masked):
    with tf.Graph().as_default(), tf.Session() as session:
        classes = tf.placeholder(tf.int32, [None], "labels_digit3")
        rows = losses.smooth(classes, 5, 0.1, masked)
        assert rows.shape.as_list() == [None, 5]
        session.run(rows, {classes: [0, 4]})
        with pytest.raises(tf.errors.InvalidArgumentError, match="labels_digit3_rows"):
            session.run(rows, {classes: [0, wrong, 4]})


def test_cross_entropy_is_at_least_the_entropy_of_soft_labels():
    labels = smooth([3], 11, 0.1)[0]
    entropy = -(np.float64(labels) * np.log(np.float64(labels))).sum()
    _, gradient, mean = evaluate_one(np.log(labels), labels)
    assert mean == pytest.approx(entropy, rel=1e-5)
    assert np.abs(gradient).max() < 1e-6
    for margin in (0.0, 2.0, 40.0):
        _, _, mean = evaluate_one(margin * np.eye(11)[3], labels)
        assert mean > entropy


# -- the mask --------------------------------------------------------------------------------------


def with_mask(logits, labels):
    means = losses.mean_losses(THREE_TASKS, logits, labels, otherwise=0.0)
    return tf.add_n(list(means.values())), means


def test_mask_changes_nothing_where_all_examples_are_labelled():
    logits, labels = helpers.random_batch(np.random.default_rng(21), 9, THREE_TASKS)
    _, gradients, means = evaluate(with_mask, logits, labels)
    _, plain_gradients, plain_means = evaluate(with_linear, logits, labels)
    assert means == pytest.approx(plain_means, rel=1e-6)
    for name, expected in plain_gradients.items():
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-5, atol=1e-7)


def test_mask_excludes_unlabelled_examples_from_mean_and_gradient():
    logits, labels = helpers.random_batch(np.random.default_rng(22), 8, THREE_TASKS)
    labelled = np.array([True, False, True, True, False, False, True, False])
    labels["shape"][~labelled] = 0.0
    _, gradients, means = evaluate(with_mask, logits, labels)
    shape_logits, shape_labels = logits["shape"][labelled], labels["shape"][labelled]
    expected = helpers.mean_cross_entropy(shape_logits, shape_labels)
    assert means["shape"] == pytest.approx(expected, rel=1e-5)
    expected = helpers.mean_cross_entropy(logits["size"], labels["size"])
    assert means["size"] == pytest.approx(expected, rel=1e-5)
    assert not gradients["shape"][~labelled].any()
    assert gradients["shape"][labelled].all()
    expected = (helpers.softmax(shape_logits) - shape_labels) / labelled.sum()
    np.testing.assert_allclose(gradients["shape"][labelled], expected, rtol=1e-4, atol=1e-6)


# Those without memory; the answer's cost does not support a mask. test_resume.py of objectives/
# tests those with memory.
@pytest.mark.parametrize("name", ["geometric", "linear", "log_sum", "stch", "uw_so"])
def test_a_task_without_labels_adds_nothing_to_cost_and_gradient(name):
    objective = objectives.find(name)
    logits, labels = helpers.random_batch(np.random.default_rng(23), 5, THREE_TASKS)
    labels["shape"][:] = 0.0

    def build(logits, labels):
        means = losses.mean_losses(THREE_TASKS, logits, labels, objective.NEUTRAL)
        others = {each: means[each] for each in ("colour", "size")}
        labelled = functools.partial(losses.labelled, THREE_TASKS, labels)
        cost = objective.build(helpers.problem(means, name, labelled=labelled)).cost
        return cost, {"others": objective.build(helpers.problem(others, name)).cost}

    cost, gradients, costs = evaluate(build, logits, labels)
    assert math.isfinite(cost)
    assert cost == pytest.approx(costs["others"], rel=1e-6)
    assert (gradients["shape"] == 0.0).all()
    assert gradients["size"].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_masked_labels_give_the_last_class_no_share(smoothing):
    classes = [0, 4, 2, 5, 5]
    expected = np.zeros([5, 6])
    for row, label in zip(expected, classes):
        if label < 5:
            row[:5] = smoothing / 5
            row[label] += 1.0 - smoothing
    np.testing.assert_allclose(smooth(classes, 6, smoothing, masked=True), expected, atol=1e-7)
