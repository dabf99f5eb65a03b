"""Replays of training runs that TensorFlow 0.12.1 recorded with the answer's own lines.

golden/generate.py wrote the recordings and describes the files. A test rebuilds the network of a
case from the project's layers, starts from the recorded weights, feeds the recorded batches and
compares the cost of every step.

The cases avoid what legitimately differs between the two runtimes:

- The cross entropy of a nearly solved task is the difference of two nearly equal numbers. The log
  turns rounding in its last digits into a visible difference. The labels are random, so no task is
  learned; a loss of exactly 0 is safe again.
- A ReLU whose input is within rounding of 0 may be open in one runtime and closed in the other.
  Each case records its `margin`, the smallest distance of such an input from 0.

`pytest -rP tests/test_golden.py` prints the largest differences.
"""

import collections
import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import answer, layers, losses
from mtl.tasks import NUMBER_TASKS

GOLDEN = pathlib.Path(__file__).parent / "golden"
CASES = ["mlp_seed0", "mlp_seed1", "mlp_seed2", "mlp_soft", "mlp_floor", "conv"]
MLP_CASES = [name for name in CASES if name.startswith("mlp")]
# Units in the last place of the cost, or of 4.0 where the cost is smaller: near 0 the unit of the
# cost itself is smaller than the rounding of its terms.
MAX_ULPS = 4
MAX_WEIGHT_DIFFERENCE = 1e-6
# Types of operations that have other names today.
OLD_TYPES = {"AddV2": "Add", "ResourceApplyAdam": "ApplyAdam"}


def load(name):
    """Read a case: dict name -> array."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def arrays(case, group):
    """Return the arrays of a case named group/..., by the rest of their names."""
    prefix = f"{group}/"
    return {name.removeprefix(prefix): case[name] for name in case if name.startswith(prefix)}


def units(case, layer):
    """Return the number of outputs of a recorded layer."""
    return case[f"initial/{layer}/w"].shape[-1]


def build_logits(images, case):
    """Build the network of a case; return dict task name -> logits."""
    x = images
    with tf.variable_scope("shared"):
        if case["bottom"] == "conv":
            filters = units(case, "shared/conv1")
            x = tf.nn.relu(layers.conv(x, "conv1", filters, size=3, seed=0))
            x = layers.max_pool(x, "pool1")
            filters = units(case, "shared/conv2")
            x = tf.nn.relu(layers.conv(x, "conv2", filters, size=3, seed=0))
        hidden = units(case, "shared/dense1")
        x = tf.nn.relu(layers.dense(layers.flatten(x), "dense1", hidden, seed=0))
    return {task.name: layers.dense(x, task.name, task.outputs, seed=0) for task in NUMBER_TASKS}


def build_placeholders(case):
    """Return the placeholders of a case: images, and labels by task name."""
    images = tf.placeholder(tf.float32, case["images"].shape[1:])
    labels = {}
    for name, rows in arrays(case, "labels").items():
        labels[name] = tf.placeholder(tf.float32, rows.shape[1:])
    return images, labels


def replay(case, objective):
    """Train a case as it was recorded; return the cost of each step and the final weights."""
    with tf.Graph().as_default():
        images, labels = build_placeholders(case)
        cost = objective(build_logits(images, case), labels)
        train = tf.train.AdamOptimizer(float(case["learning_rate"])).minimize(cost)
        variables = {variable.op.name: variable for variable in tf.trainable_variables()}
        initial = arrays(case, "initial")
        assert set(variables) == set(initial)
        # One thread, as in generate.py, fixes the order of every sum on any machine.
        config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            for name, variable in variables.items():
                variable.load(initial[name], session)
            costs = []
            for step in range(len(case["cost"])):
                batch = step % len(case["images"])
                pixels = case["images"][batch].astype(np.float32)
                feed = {images: pixels / np.float32(255) - np.float32(0.5)}
                for name, placeholder in labels.items():
                    feed[placeholder] = case[f"labels/{name}"][batch]
                costs.append(session.run([cost, train], feed)[0])
            return np.array(costs), session.run(variables)


def assert_replays(case, objective):
    """Compare a replay with the recording, at every step and in every weight."""
    costs, weights = replay(case, objective)
    unit = np.spacing(np.maximum(np.abs(case["cost"]), np.float32(4)))
    ulps = np.abs(costs - case["cost"]) / unit
    differences = {}
    for name, value in weights.items():
        differences[name] = np.abs(value - case[f"final/{name}"]).max()
    worst = max(differences.values())
    print(f"largest difference: cost {ulps.max():g} ulp, weight {worst:.2g}")
    assert np.isfinite(case["cost"]).all()
    too_far = np.flatnonzero(~(ulps <= MAX_ULPS))  # ~(<=) also finds NaN
    assert not too_far.size, f"the cost differs from step {too_far[0]} on"
    assert all(value <= MAX_WEIGHT_DIFFERENCE for value in differences.values()), differences


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_answer_replays_the_recording(name):
    assert_replays(load(name), answer.cost)


@pytest.mark.slow
def test_log_sum_replays_the_recording():
    assert_replays(load("mlp_seed1"), losses.log_sum)


def test_every_recording_is_replayed():
    assert sorted(path.stem for path in GOLDEN.glob("*.npz")) == sorted([*CASES, "graph"])


@pytest.mark.parametrize("name", CASES)
def test_recording_learns_and_avoids_the_edge_of_a_relu(name):
    case = load(name)
    batches = len(case["images"])
    assert case["cost"][-batches:].mean() < case["cost"][:batches].mean() - 0.2
    assert case["margin"].min() > 1e-6


def dense(x, case, scope):
    """Compute a recorded dense layer at its initial weights, in float64."""
    return x @ case[f"initial/{scope}/w"].astype(np.float64) + case[f"initial/{scope}/b"]


def first_cross_entropies(case):
    """Return the mean cross entropy of each task before the first step, by NumPy in float64."""
    images = case["images"][0] / 255.0 - 0.5
    features = np.maximum(dense(images.reshape(len(images), -1), case, "shared/dense1"), 0)
    means = {}
    for task in NUMBER_TASKS:
        logits = dense(features, case, task.name)
        logits -= logits.max(axis=1, keepdims=True)
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        means[task.name] = -(case[f"labels/{task.name}"][0] * log_probs).sum(axis=1).mean()
    return means


@pytest.mark.parametrize("name", MLP_CASES)
def test_first_recorded_cost_equals_the_formula(name):
    case = load(name)
    means = first_cross_entropies(case)
    if name == "mlp_floor":
        # About exp(-40) in float64, exactly 0 in float32: the clip raises it to 1e-37.
        assert means["digit5"] < 1e-15
        means["digit5"] = 1e-37
    expected = sum(np.log(np.clip(mean, 1e-37, 1e37)) for mean in means.values())
    np.testing.assert_allclose(case["cost"][0], expected, rtol=0, atol=2e-5)


def test_task_at_the_floor_keeps_its_weights_while_the_others_train():
    case = load("mlp_floor")
    other_tasks = case["cost"] - np.log(1e-37)
    assert other_tasks[0] == pytest.approx(4.5, abs=1.0)
    assert other_tasks.min() > 2.0
    for name in ("digit5/w", "digit5/b"):
        np.testing.assert_array_equal(case[f"final/{name}"], case[f"initial/{name}"])


@pytest.mark.parametrize("objective", [answer.cost, losses.log_sum])
def test_graph_has_the_operations_of_the_original(objective):
    recorded = {kind: int(count) for kind, count in load("graph").items()}
    assert recorded == {
        "SoftmaxCrossEntropyWithLogits": 6,
        "Mean": 6,
        "Minimum": 6,
        "Maximum": 6,
        "Log": 6,
        "Add": 5,
        "ApplyAdam": 14,
    }
    case = load("mlp_seed0")
    with tf.Graph().as_default() as graph:
        images, labels = build_placeholders(case)
        logits = build_logits(images, case)
        # Initial values and gradients use some of the same types: count the cost alone.
        before = len(graph.get_operations())
        cost = objective(logits, labels)
        operations = graph.get_operations()[before:]
        tf.train.AdamOptimizer(1e-3).minimize(cost)
        operations += [op for op in graph.get_operations() if op.type == "ResourceApplyAdam"]
    counts = collections.Counter(OLD_TYPES.get(op.type, op.type) for op in operations)
    assert {kind: counts[kind] for kind in recorded} == recorded
