"""The answer's cost against NumPy in float64: argument order, value, gradient and graph."""

import collections
import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import helpers
from mtl import answer, losses, tasks

NAMES = [task.name for task in tasks.NUMBER_TASKS]
SIX_EACH = ("SoftmaxCrossEntropyWithLogits", "Mean", "Minimum", "Maximum", "Log")


def constants(arrays):
    return {name: tf.constant(array) for name, array in arrays.items()}


def compute_cost(logits, labels):
    """Return answer.cost of two dicts of arrays."""
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(answer.cost(constants(logits), constants(labels)))


# -- the order of the arguments --------------------------------------------------------------------

LOGITS = np.float32([[2, 1, 0]])
LABELS = np.float32([[1, 0, 0]])
CORRECT = math.log(1 + math.exp(-1) + math.exp(-2))  # 0.4076: -log softmax([2, 1, 0])[0]
SWAPPED = 3 * math.log(math.e + 2) - 2  # 2.6543: labels [2, 1, 0] and logits [1, 0, 0]


def test_swapped_arguments_give_another_cross_entropy():
    assert CORRECT == pytest.approx(0.4076, abs=5e-5)
    assert CORRECT == pytest.approx(helpers.mean_cross_entropy(LOGITS, LABELS))
    assert SWAPPED == pytest.approx(2.6543, abs=5e-5)
    assert SWAPPED == pytest.approx(helpers.mean_cross_entropy(LABELS, LOGITS))


def test_cost_passes_logits_and_labels_in_the_correct_order():
    cost = compute_cost(dict.fromkeys(NAMES, LOGITS), dict.fromkeys(NAMES, LABELS))
    assert cost == pytest.approx(6 * math.log(CORRECT), rel=1e-5)
    assert cost != pytest.approx(6 * math.log(SWAPPED), abs=1)


def test_call_by_position_as_in_the_answer_swaps_the_arguments_without_an_error():
    # If this fails, a new TensorFlow refuses or reorders the arguments: update mtl/answer.py.
    with tf.Graph().as_default(), tf.Session() as session:
        by_position = session.run(tf.nn.softmax_cross_entropy_with_logits(LOGITS, LABELS))
    assert by_position == pytest.approx([SWAPPED], rel=1e-5)


def test_each_task_uses_its_own_logits_and_labels():
    # The logits of one task change at a time. A loss that used another task would not match.
    rng = np.random.default_rng(1)
    logits, labels = helpers.random_batch(rng, 5)
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders()
        cost = answer.cost(tensors, rows)
        before = session.run(cost, helpers.feed((tensors, logits), (rows, labels)))
        for name in NAMES:
            changed = dict(logits)
            changed[name] = np.float32(rng.normal(size=logits[name].shape))
            after = session.run(cost, helpers.feed((tensors, changed), (rows, labels)))
            old = math.log(helpers.mean_cross_entropy(logits[name], labels[name]))
            new = math.log(helpers.mean_cross_entropy(changed[name], labels[name]))
            assert after - before == pytest.approx(new - old, abs=1e-4)


# -- value and gradient ----------------------------------------------------------------------------


@pytest.mark.slow
def test_cost_and_gradient_equal_the_formula_on_1000_random_batches():
    rng = np.random.default_rng(2)
    with tf.Graph().as_default(), tf.Session() as session:
        tensors, rows = helpers.placeholders()
        cost = answer.cost(tensors, rows)
        slopes = tf.gradients(cost, [tensors[name] for name in NAMES])
        gradients = dict(zip(NAMES, slopes))
        negative = 0
        for batch in rng.integers(1, 14, size=1000):
            logits, labels = helpers.random_batch(rng, batch)
            feed = helpers.feed((tensors, logits), (rows, labels))
            value, found = session.run([cost, gradients], feed)
            means = {}
            for name in NAMES:
                means[name] = helpers.mean_cross_entropy(logits[name], labels[name])
                error = helpers.softmax(logits[name]) - labels[name]
                expected = error / (batch * means[name])
                tolerance = 1e-5 * np.abs(expected).max()
                np.testing.assert_allclose(found[name], expected, rtol=0, atol=tolerance)
            logs = [math.log(mean) for mean in means.values()]
            # The sum can be close to 0, so the tolerance follows its terms.
            assert value == pytest.approx(
                sum(logs), rel=0, abs=1e-5 * sum(max(1.0, abs(log)) for log in logs)
            )
            negative += value < 0
    assert 50 < negative < 950  # the batches cover costs on both sides of 0


def test_gradient_equals_finite_differences():
    logits, labels = helpers.random_batch(np.random.default_rng(3), 3)
    with tf.Graph().as_default(), tf.Session().as_default():
        x = tf.constant(logits["length"])
        cost = answer.cost(dict(logits, length=x), labels)
        shape = x.shape.as_list()
        error = tf.test.compute_gradient_error(
            x, shape, cost, [], x_init_value=logits["length"], delta=1e-2
        )
    assert error < 1e-3


def test_clip_holds_a_solved_task_at_its_floor():
    logits, labels = helpers.random_batch(np.random.default_rng(4), 5)
    labels["digit5"] = np.float32(np.eye(11)[[10] * 5])
    logits["digit5"] = 40 * labels["digit5"]
    expected = math.log(1e-37)
    for name in NAMES[:-1]:
        expected += math.log(helpers.mean_cross_entropy(logits[name], labels[name]))
    assert compute_cost(logits, labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("which", ["logits", "labels"])
@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_needs_exactly_the_six_tasks(which, change):
    batch = dict(zip(("logits", "labels"), helpers.random_batch(np.random.default_rng(5), 3)))
    if change == "missing":
        del batch[which]["digit5"]
    else:
        batch[which]["colour"] = np.zeros([3, 4], np.float32)
    with tf.Graph().as_default() as graph:
        with pytest.raises(ValueError, match="give both for exactly the tasks .'length', 'digit1'"):
            answer.cost(**batch)
        assert graph.get_operations() == []


# -- graph -----------------------------------------------------------------------------------------


def graph_of(objective):
    """Return the GraphDef of an objective on placeholders."""
    with tf.Graph().as_default() as graph:
        objective(*helpers.placeholders())
        return graph.as_graph_def()


def nodes_of(graph_def):
    return [(node.name, node.op, list(node.input)) for node in graph_def.node]


def test_log_sum_builds_the_answers_graph_node_for_node():
    expected = graph_of(answer.cost)
    found = graph_of(losses.log_sum)
    assert nodes_of(found) == nodes_of(expected)
    assert found == expected
    assert graph_of(losses.linear) != expected


def test_graph_has_six_losses_and_five_additions():
    counts = collections.Counter(node.op for node in graph_of(answer.cost).node)
    assert [counts[kind] for kind in SIX_EACH] == [6] * len(SIX_EACH)
    assert counts["Add"] + counts["AddV2"] == 5
    assert counts["Placeholder"] == 12


def placeholders_above(operation):
    """Return the names of the placeholders that an operation depends on."""
    found = set()
    waiting = [operation]
    while waiting:
        operation = waiting.pop()
        if operation.type == "Placeholder":
            found.add(operation.name)
        waiting += [tensor.op for tensor in operation.inputs]
    return found


def test_additions_are_a_chain_in_the_order_of_the_tasks():
    with tf.Graph().as_default():
        operation = answer.cost(*helpers.placeholders()).op
        terms = []
        while operation.type in ("Add", "AddV2"):
            rest, term = operation.inputs
            terms.insert(0, term.op)
            operation = rest.op
        terms.insert(0, operation)
        assert [term.type for term in terms] == ["Log"] * 6
        for term, name in zip(terms, NAMES):
            assert placeholders_above(term) == {f"logits_{name}", f"labels_{name}"}
