"""The answer's cost: its argument order, its value and gradient by float64 NumPy, and its graph."""

import collections
import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import answer, losses, tasks

NAMES = [task.name for task in tasks.NUMBER_TASKS]


def value(logits, labels):
    """Return answer.cost of two dicts of arrays."""
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(answer.cost({k: tf.constant(v) for k, v in logits.items()}, {k: tf.constant(v) for k, v in labels.items()}))


# -- the order of the arguments --------------------------------------------------------------------------------------------------------

LOGITS = np.float32([[2, 1, 0]])
LABELS = np.float32([[1, 0, 0]])
RIGHT = math.log(1 + math.exp(-1) + math.exp(-2))  # 0.4076: -log softmax([2, 1, 0])[0]
SWAPPED = 3 * math.log(math.e + 2) - 2  # 2.6543: labels [2, 1, 0] against softmax([1, 0, 0])


def test_the_two_orders_differ_as_measured():
    assert RIGHT == pytest.approx(0.4076, abs=5e-5) == helpers.mean_cross_entropy(LOGITS, LABELS)
    assert SWAPPED == pytest.approx(2.6543, abs=5e-5) == helpers.mean_cross_entropy(LABELS, LOGITS)


def test_the_cost_takes_logits_as_logits():
    cost = value(dict.fromkeys(NAMES, LOGITS), dict.fromkeys(NAMES, LABELS))
    assert cost == pytest.approx(6 * math.log(RIGHT), rel=1e-5)
    assert cost != pytest.approx(6 * math.log(SWAPPED), abs=1)


def test_each_task_takes_its_own_logits_and_labels():
    # One task at a time is wrong, each by another amount; a task that read a neighbour's row would show another sum.
    rng = np.random.default_rng(1)
    logits, labels = helpers.random_batch(rng, 5)
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders()
        cost = answer.cost(tensors, rows)
        before = session.run(cost, helpers.feed((tensors, logits), (rows, labels)))
        for name in NAMES:
            changed = dict(logits, **{name: np.float32(rng.normal(size=logits[name].shape))})
            after = session.run(cost, helpers.feed((tensors, changed), (rows, labels)))
            moved = helpers.mean_cross_entropy(changed[name], labels[name]) / helpers.mean_cross_entropy(logits[name], labels[name])
            assert after - before == pytest.approx(math.log(moved), abs=1e-4)


def test_the_answers_own_call_runs_today_with_its_arguments_swapped():
    # Why the named arguments matter: nothing warns. Should this fail, a TensorFlow has come that refuses or reorders positions.
    with tf.Graph().as_default(), tf.Session() as session:
        by_position = session.run(tf.nn.softmax_cross_entropy_with_logits(LOGITS, LABELS))
    assert by_position == pytest.approx([SWAPPED], rel=1e-5)


# -- value and gradient ----------------------------------------------------------------------------------------------------------------


def test_cost_and_gradient_on_1000_random_batches():
    rng = np.random.default_rng(2)
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders()
        cost = answer.cost(tensors, rows)
        gradients = dict(zip(NAMES, tf.gradients(cost, [tensors[name] for name in NAMES])))
        negative = 0
        for batch in rng.integers(1, 14, size=1000):
            logits, labels = helpers.random_batch(rng, batch)
            got, slopes = session.run([cost, gradients], helpers.feed((tensors, logits), (rows, labels)))
            means = {name: helpers.mean_cross_entropy(logits[name], labels[name]) for name in NAMES}
            # Relative to the size of the terms: their sum passes through 0.
            size = sum(max(1.0, abs(math.log(mean))) for mean in means.values())
            assert abs(got - sum(math.log(mean) for mean in means.values())) <= 1e-5 * size
            for name in NAMES:
                closed = (helpers.softmax(logits[name]) - labels[name]) / (batch * means[name])
                np.testing.assert_allclose(slopes[name], closed, rtol=0, atol=1e-5 * np.abs(closed).max())
            negative += got < 0
    assert 50 < negative < 950  # the batches lie on both sides of 0


def test_gradient_by_finite_differences():
    logits, labels = helpers.random_batch(np.random.default_rng(3), 3)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(logits["length"])
        cost = answer.cost(dict(logits, length=x), labels)
        with session.as_default():
            assert tf.test.compute_gradient_error(x, x.shape.as_list(), cost, [], x_init_value=logits["length"], delta=1e-2) < 1e-3


def test_a_solved_task_is_stopped_by_the_floor_and_the_others_stand():
    logits, labels = helpers.random_batch(np.random.default_rng(4), 5)
    labels["digit5"] = np.float32(np.eye(11)[[10] * 5])
    logits["digit5"] = 40 * labels["digit5"]
    others = sum(math.log(helpers.mean_cross_entropy(logits[name], labels[name])) for name in NAMES[:-1])
    assert value(logits, labels) == pytest.approx(others + math.log(1e-37), rel=1e-5)


# -- the graph -------------------------------------------------------------------------------------------------------------------------


def graph(objective):
    with tf.Graph().as_default() as built:
        objective(*helpers.placeholders())
        return built.as_graph_def()


def test_log_sum_is_the_answer_node_for_node():
    ours, theirs = graph(losses.log_sum), graph(answer.cost)
    ours_in_order, theirs_in_order = ([(node.name, node.op, list(node.input)) for node in each.node] for each in (ours, theirs))
    assert ours_in_order == theirs_in_order
    assert ours == theirs
    assert graph(losses.linear) != theirs  # the comparison can tell two graphs apart


def test_the_operations_are_those_of_the_answer():
    counts = collections.Counter(node.op for node in graph(answer.cost).node)
    assert counts["SoftmaxCrossEntropyWithLogits"] == counts["Mean"] == counts["Minimum"] == counts["Maximum"] == counts["Log"] == 6
    assert counts["Add"] + counts["AddV2"] == 5
    assert counts["Placeholder"] == 12


def sources(op):
    """Return the names of the placeholders that an operation depends on."""
    found, waiting = set(), [op]
    while waiting:
        at = waiting.pop()
        if at.type == "Placeholder":
            found.add(at.name)
        waiting += [tensor.op for tensor in at.inputs]
    return found


def test_the_sum_is_a_chain_in_the_order_of_the_tasks():
    with tf.Graph().as_default():
        at = answer.cost(*helpers.placeholders()).op
        chain = []
        while at.type in ("Add", "AddV2"):
            chain.append(at.inputs[1].op)
            at = at.inputs[0].op
        chain = [at] + chain[::-1]
        assert [op.type for op in chain] == ["Log"] * 6
        assert [sources(op) for op in chain] == [{f"logits_{name}", f"labels_{name}"} for name in NAMES]
