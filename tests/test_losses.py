"""mtl.losses: mean losses of any tasks, soft labels and the mask. tests/objectives has the sums."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import config, losses, objectives
from mtl.tasks import Task

THREE = (Task("colour", 3), Task("shape", 7), Task("size", 5))

FLOOR, CEILING = math.log(1e-37), math.log(1e37)


def run(objective, logits, labels):
    """Return the value of an objective, its gradient by the logits, and the raw cross entropies."""
    tasks = [Task(name, rows.shape[1]) for name, rows in logits.items()]
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders(tasks)
        cost = objective(tensors, rows)
        slopes = dict(zip(tensors, tf.gradients(cost, list(tensors.values()))))
        fetches = [cost, slopes, losses.cross_entropies(tensors, rows)]
        return session.run(fetches, helpers.feed((tensors, logits), (rows, labels)))


@pytest.mark.parametrize(
    "wrong, raw", [([-math.inf, 0, 0], math.inf), ([-3e38, 3e38, 0], math.inf)]
)
def test_an_infinite_cross_entropy_hides_behind_the_clip_but_not_in_the_raw_values(wrong, raw):
    value, slopes, means = run(
        losses.log_sum, {"a": np.float32([wrong])}, {"a": np.float32([[1, 0, 0]])}
    )
    assert value == pytest.approx(CEILING, rel=1e-6)
    assert not slopes["a"].any()
    assert means["a"] == raw


def test_a_nan_comes_through_to_the_cost():
    value, _, means = run(
        losses.log_sum, {"a": np.float32([[math.nan, 0, 0]])}, {"a": np.float32([[1, 0, 0]])}
    )
    assert math.isnan(value) and math.isnan(means["a"])


def test_float32_reaches_exactly_zero_near_a_margin_of_17():
    assert (
        run(losses.log_sum, {"a": np.float32([[16, 0]])}, {"a": np.float32([[1, 0]])})[2]["a"] > 0
    )
    value, slopes, means = run(
        losses.log_sum, {"a": np.float32([[18, 0]])}, {"a": np.float32([[1, 0]])}
    )
    assert means["a"] == 0 and value == pytest.approx(FLOOR, rel=1e-6) and not slopes["a"].any()


@pytest.mark.parametrize("margin, slope", [(1, -0.77), (5, -0.99), (10, -1.0), (15, -1.0)])
def test_a_solved_task_keeps_pulling_at_full_strength(margin, slope):
    # Two classes: d log(CE) / d logit = -(1 - p) / CE with p = sigmoid(margin), which goes to -1 and not to 0.
    gradient = run(losses.log_sum, {"a": np.float32([[margin, 0]])}, {"a": np.float32([[1, 0]])})[
        1
    ]["a"][0, 0]
    exact = -1 / (1 + math.exp(margin)) / math.log1p(math.exp(-margin))
    assert exact == pytest.approx(slope, abs=0.2 if margin == 1 else 0.01)
    assert gradient == pytest.approx(
        exact, rel=0.1 if margin == 15 else 2e-3
    )  # float32 leaves few digits of so small a loss


# -- any tasks -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
def test_values_and_gradients_for_any_tasks(count):
    rng = np.random.default_rng(count)
    for batch in (1, 2, 13):
        logits, labels = helpers.random_batch(rng, batch, THREE[:count])
        means = {name: helpers.mean_cross_entropy(logits[name], labels[name]) for name in logits}
        for objective, value, weight in (
            (losses.log_sum, sum(math.log(mean) for mean in means.values()), lambda mean: 1 / mean),
            (losses.linear, sum(means.values()), lambda mean: 1.0),
        ):
            got, slopes, raw = run(objective, logits, labels)
            assert got == pytest.approx(value, rel=1e-5, abs=1e-5)
            assert raw == pytest.approx(means, rel=1e-5)
            for name in logits:
                closed = (
                    weight(means[name]) * (helpers.softmax(logits[name]) - labels[name]) / batch
                )
                np.testing.assert_allclose(
                    slopes[name], closed, rtol=1e-4, atol=1e-5 * np.abs(closed).max()
                )


def test_the_order_and_the_surplus_of_labels_do_not_matter():
    logits, labels = helpers.random_batch(np.random.default_rng(5), 7, THREE)
    turned = dict(reversed(list(labels.items())), unused=np.zeros([7, 2], np.float32))
    with tf.Graph().as_default(), tf.Session() as session:
        one, two = session.run([losses.log_sum(logits, labels), losses.log_sum(logits, turned)])
    assert one == two


def test_a_row_of_zeros_counts_as_a_perfect_answer():
    # The documented hazard: tf.one_hot makes such a row of a class out of range, and the cost gets better by it.
    logits = np.random.default_rng(7).normal(size=[3, 5]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        rows = tf.one_hot([2, 5, -1], 5)
        mean, value = session.run([losses.mean_cross_entropy(logits, rows), rows])
        assert not value[1:].any()
        alone = session.run(losses.mean_cross_entropy(logits[:1], value[:1]))
        assert mean == pytest.approx(alone / 3, rel=1e-6)
        assert session.run(losses.log_sum({"a": logits[1:]}, {"a": value[1:]})) == pytest.approx(
            FLOOR, rel=1e-6
        )


def test_an_empty_batch_is_nan_and_no_perfect_answer():
    with tf.Graph().as_default(), tf.Session() as session:
        empty = np.zeros([0, 5], np.float32)
        assert math.isnan(session.run(losses.log_sum({"a": empty}, {"a": empty})))


# -- smoothing -------------------------------------------------------------------------------------------------------------------------


def smooth(classes, depth, smoothing):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(losses.smooth(tf.constant(classes, tf.int32), depth, smoothing))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("depth", [7, 11])
def test_smooth_rows_are_probabilities(smoothing, depth):
    classes = [0, 3, depth - 1, 3]
    rows = smooth(classes, depth, smoothing)
    assert rows.dtype == np.float32 and rows.shape == (4, depth)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        rows, (1 - smoothing) * np.eye(depth)[classes] + smoothing / depth, rtol=1e-5
    )
    np.testing.assert_array_equal(rows.argmax(axis=1), classes)


def test_without_smoothing_rows_are_exactly_one_hot():
    np.testing.assert_array_equal(smooth([2, 0, 4], 5, 0.0), np.eye(5)[[2, 0, 4]])
    with tf.Graph().as_default() as graph:
        losses.smooth(tf.constant([1, 2], tf.int32), 5, 0.0)
        assert not {"Mul", "Add", "AddV2"} & {op.type for op in graph.get_operations()}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("wrong", [-1, 5, 11])
def test_a_class_out_of_range_is_an_error_that_names_the_labels_and_no_perfect_answer(
    wrong, masked
):
    with tf.Graph().as_default(), tf.Session() as session:
        classes = tf.placeholder(tf.int32, [None], "labels_digit3")
        rows = losses.smooth(classes, 5, 0.1, masked)
        assert rows.shape.as_list() == [None, 5]
        session.run(rows, {classes: [0, 4]})
        with pytest.raises(tf.errors.InvalidArgumentError, match="labels_digit3_rows"):
            session.run(rows, {classes: [0, wrong, 4]})


def test_smoothing_bounds_the_cross_entropy_from_below():
    # No logits do better than the labels' own entropy, so the weight 1 / loss stays below 1 / entropy.
    rows = np.float64(smooth([3], 11, 0.1))
    entropy = -(rows * np.log(rows)).sum()
    best = run(losses.log_sum, {"a": np.float32(np.log(rows))}, {"a": np.float32(rows)})
    assert best[2]["a"] == pytest.approx(entropy, rel=1e-5) and np.abs(best[1]["a"]).max() < 1e-6
    for margin in (0.0, 2.0, 40.0):
        assert (
            run(
                losses.log_sum, {"a": np.float32(margin * np.eye(11)[[3]])}, {"a": np.float32(rows)}
            )[2]["a"]
            > entropy
        )


# -- the mask ----------------------------------------------------------------------------------------------------------------------------


def masked(logits, labels, otherwise):
    """Return labelled_cross_entropies and the gradient of their sum by the logits."""
    tasks = [Task(name, rows.shape[1]) for name, rows in logits.items()]
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders(tasks)
        means = losses.labelled_cross_entropies(tensors, rows, otherwise)
        total = tf.add_n(list(means.values()))
        slopes = dict(zip(tensors, tf.gradients(total, list(tensors.values()))))
        return session.run([means, slopes], helpers.feed((tensors, logits), (rows, labels)))


def test_where_all_have_a_label_the_mask_changes_nothing():
    logits, labels = helpers.random_batch(np.random.default_rng(21), 9, THREE)
    means, slopes = masked(logits, labels, 0.0)
    _, plain_slopes, plain = run(losses.linear, logits, labels)
    for task in THREE:
        assert means[task.name] == pytest.approx(plain[task.name], rel=1e-6)
        np.testing.assert_allclose(slopes[task.name], plain_slopes[task.name], rtol=1e-5, atol=1e-7)


def test_the_mean_is_over_the_labelled_examples_and_the_others_get_no_gradient():
    logits, labels = helpers.random_batch(np.random.default_rng(22), 8, THREE)
    there = np.array([True, False, True, True, False, False, True, False])
    labels["shape"][~there] = 0.0
    means, slopes = masked(logits, labels, 0.0)
    assert means["shape"] == pytest.approx(
        helpers.mean_cross_entropy(logits["shape"][there], labels["shape"][there]), rel=1e-5
    )
    assert means["size"] == pytest.approx(
        helpers.mean_cross_entropy(logits["size"], labels["size"]), rel=1e-5
    )
    assert not slopes["shape"][~there].any() and slopes["shape"][there].all()
    expected = (helpers.softmax(logits["shape"]) - labels["shape"])[there] / there.sum()
    np.testing.assert_allclose(slopes["shape"][there], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in config.OBJECTIVES if name != "answer"])
def test_a_task_without_labels_adds_nothing_to_the_cost_and_has_no_gradient(name):
    objective = objectives.find(name)
    logits, labels = helpers.random_batch(np.random.default_rng(23), 5, THREE)
    labels["shape"][:] = 0.0
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders(THREE)
        means = losses.labelled_cross_entropies(tensors, rows, objective.NEUTRAL)
        cost = objective.build(tensors, rows, means).cost
        labelled = {each: means[each] for each in ("colour", "size")}
        fetches = [
            cost,
            objective.build(tensors, rows, labelled).cost,
            tf.gradients(cost, tensors["shape"])[0],
            tf.gradients(cost, tensors["size"])[0],
        ]
        feed = helpers.feed((tensors, logits), (rows, labels))
        cost, others, slope, other_slope = session.run(fetches, feed)
    assert cost == pytest.approx(others, rel=1e-6) and math.isfinite(cost)
    assert not slope.any() and np.isfinite(slope).all() and other_slope.any()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_masked_rows_hold_nothing_of_the_last_class(smoothing):
    classes = np.array([0, 4, 2, 5, 5], np.int32)
    with tf.Graph().as_default(), tf.Session() as session:
        rows = session.run(losses.smooth(tf.constant(classes), 6, smoothing, masked=True))
    expected = np.zeros([5, 6])
    for row, label in zip(expected, classes):
        if label < 5:
            row[:5] = smoothing / 5
            row[label] += 1.0 - smoothing
    np.testing.assert_allclose(rows, expected, atol=1e-7)
